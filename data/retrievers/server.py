"""A search server elsewhere: where it is, how it is asked, and what its refusals mean."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reranker.errors import (
    BusyError,
    DeadlineError,
    InputError,
    MissingExtraError,
    RemoteError,
    SettingsError,
    UnreachableError,
)

if TYPE_CHECKING:
    import httpx

KEY = "RERANKER_SEARCH_KEY"
PREFIX = "reranker-"
"""Stands before every index's name, so that no index of somebody else is ever written to."""

Ask = Callable[..., dict[str, Any]]
"""Sends a method, a path below the index and perhaps lines of JSON; the object answered."""

_SECONDS = 60.0
_MEND = {
    401: f"; give its key in the environment as {KEY}",
    403: f"; the key in {KEY} must be allowed to create and fill indices {PREFIX}*",
    413: "; a passage is larger than it takes",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server's address, and the name of an index there."""

    url: str
    index: str

    @classmethod
    def read(cls, text: str) -> "Server":
        """Read `URL/INDEX`.

        Raises:
            InputError: for another form, or an address that holds a password.
        """
        if "@" in text:
            # Not shown, and no results' command line is to hold it.
            raise InputError(f"a search server's URL holds a password; give it in {KEY}")
        url, _, name = text.rpartition("/")
        if not _is_address(url):
            raise InputError(
                f"{text!r} is no index of a search server; expected such as "
                "http://127.0.0.1:9200/INDEX"
            )
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,199}", name):
            raise InputError(
                f"{name!r} is no index's name; expected small letters, digits, '_', '.' and '-'"
            )
        return cls(url.rstrip("/"), PREFIX + name.removeprefix(PREFIX))

    @contextmanager
    def connected(self) -> Iterator[Ask]:
        """Connections, closed in the end; what is asked raises RemoteError where it fails."""
        package = _package()
        with package.Client(headers=_headers(), timeout=_SECONDS) as client:

            def ask(method: str, path: str = "", lines: str | None = None) -> dict[str, Any]:
                url = f"{self.url}/{self.index}{path}"
                try:
                    reply = client.request(method, url, content=lines)
                except package.TimeoutException:
                    raise DeadlineError(f"{self.url} did not answer in {_SECONDS:.0f} s") from None
                except package.RequestError as error:
                    # Its name alone: the request that it carries holds texts and the key.
                    kind = type(error).__name__
                    raise UnreachableError(f"nothing answers at {self.url} ({kind})") from None
                return _read(reply, self.url)

            yield ask


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return False
    return bool(known) and not parts.query and not parts.fragment


def _read(reply: "httpx.Response", url: str) -> dict[str, Any]:
    """The object of an answer; of an error its kind alone, for its reason may hold texts."""
    try:
        found = reply.json()
    except ValueError:
        found = None
    status = reply.status_code
    if reply.is_success and isinstance(found, dict):
        return found
    if reply.is_success:
        raise RemoteError(f"{url} answered no JSON object; is it OpenSearch or Elasticsearch?")
    kind = BusyError if status in (429, 503) else RemoteError
    raise kind(f"{url} refused with {status}{named(found)}{_MEND.get(status, '')}", status=status)


def named(answer: object) -> str:
    """What kind of error an answer tells, such as " (parsing_exception)"."""
    match answer:
        case {"error": {"type": str() as kind}}:
            return f" ({kind[:80]})"
    return ""


def _headers() -> dict[str, str]:
    """The headers of every request; a key with a blank is a whole `Authorization`."""
    headers = {"content-type": "application/json"}  # of lines too, which both take
    key = os.environ.get(KEY)
    if not key:
        return headers
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        raise SettingsError(
            f"{KEY} holds what no HTTP header can; expected printable ASCII without blanks around "
            "it (is there a line's end from a file?)"
        )
    return {**headers, "authorization": key if " " in key else f"ApiKey {key}"}


def _package() -> ModuleType:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError("httpx", "client", "a search server as first stage") from error
    return httpx
