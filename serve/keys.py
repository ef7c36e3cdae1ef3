"""API keys: several, held as digests, compared in constant time."""

import hashlib
import hmac
import re
from collections.abc import Iterable

from serve.errors import Refusal, ServiceError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class ApiKeys:
    """The keys that open the service; without any it is open.

    Args:
        digests: the keys' digests, as `digest_of` writes them.
    """

    def __init__(self, digests: Iterable[str]) -> None:
        self._digests = tuple(digest.encode() for digest in digests)

    def check(self, header: str | None) -> None:
        """Let an `Authorization` header, `Bearer KEY`, or a bare key pass.

        Raises:
            ServiceError: UNAUTHORISED, for no key or one that is not ours.
        """
        if not self._digests:
            return
        if header is None:
            raise ServiceError(
                Refusal.UNAUTHORISED,
                "no API key was given; send one in the header 'Authorization: Bearer …'",
            )
        if not self._knows(_key(header)):
            raise ServiceError(
                Refusal.UNAUTHORISED,
                "this API key is not known here; check it, or ask the service's operator for one",
            )

    def _knows(self, key: str) -> bool:
        given, known = _hashed(key).encode(), False
        # All are compared, so that the time says nothing about which one it was.
        for digest in self._digests:
            known |= hmac.compare_digest(given, digest)
        return known


def digest_of(key: str) -> str:
    """A key's SHA-256 digest, `sha256:` and 64 hexadecimal digits; a digest stays as it is."""
    return key if _DIGEST.match(key) else _hashed(key)


def _hashed(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()}"


def _key(header: str) -> str:
    scheme, _, rest = header.strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else header.strip()
