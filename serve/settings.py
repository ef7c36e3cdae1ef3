"""The service's settings: from the environment, or given; the limits may change while it runs.

What stands below a field is its description in `docs/operations.md`; see `serve.reference`.
"""

import inspect
from dataclasses import fields
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from reranker.passage_cache import PassageCache
from reranker.reranker import Reranker
from reranker.settings import Settings
from serve.keys import digest_of

PREFIX = "RERANKER_SERVE_"
NESTED = "__"

_Count = Annotated[int, Field(ge=1)]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Override = Annotated[
    StrictBool | int | _Number | str | list[str], Field(union_mode="left_to_right")
]


class Limits(BaseModel):
    """What a request may ask for, and how much may wait; what `user_config` changes at run time."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_body_bytes: _Count = 10 << 20
    """Bytes of a request's body."""
    max_documents: _Count = 1000
    """Candidates of a request."""
    max_request_tokens: _Count = 1 << 19
    """Tokens of a request, over all its windows, after truncation."""
    max_queued_tokens: _Count = 1 << 20
    """Tokens of all accepted requests that no pass has read yet."""
    max_queued_s: _Seconds = 30.0
    """No request is taken in behind more seconds of work, at the measured speed."""
    default_timeout_s: _Seconds = 60.0
    """The deadline of a request that names none, in seconds."""
    max_timeout_s: _Seconds = 600.0
    """Later deadlines are brought forward to it, in seconds."""
    ageing_s: _Seconds = 30.0
    """Interactive requests that come within so many seconds after a bulk one go before it."""

    @model_validator(mode="after")
    def _one_request_fits(self) -> "Limits":
        if self.max_request_tokens > self.max_queued_tokens:
            raise ValueError(
                f"max_request_tokens is {self.max_request_tokens} and max_queued_tokens "
                f"{self.max_queued_tokens}: the largest request would never be taken; raise "
                "max_queued_tokens or lower max_request_tokens"
            )
        return self


class Cache(BaseModel):
    """A passage cache, one a replica; see `reranker.passage_cache`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    memory: Annotated[int, Field(ge=0)] = 2 << 30
    """Bytes in a replica's memory."""
    folder: str | None = None
    """On a disk that the machine's replicas share; none keeps passages in memory alone."""
    disk: _Count = 64 << 30
    """Bytes on disk."""
    stored: Literal["float32", "float16", "bfloat16", "int8"] = "float16"
    """How keys and values are stored."""

    def make(self) -> PassageCache:
        """The cache."""
        return PassageCache(self.memory, folder=self.folder, disk=self.disk, stored=self.stored)


class ServeSettings(BaseSettings):
    """How a replica is set up: `RERANKER_SERVE_MODEL=…`, `RERANKER_SERVE_LIMITS__AGEING_S=…`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    model: str | None = None
    """A Hugging Face name, a folder with a model or an adapter, or a .gguf file; none is the
    embedded default."""
    name: str | None = None
    """What clients call the model; none is the model's own name."""
    aliases: tuple[str, ...] = ()
    """Other names of it, such as those that clients of another service send."""
    any_name: bool = True
    """Whether a name that is no adapter's means the default, as clients of other services send
    those services' names; the answer names what ranked. False refuses them."""
    adapters: dict[str, str] = Field(default_factory=dict)
    """Folders or Hugging Face names of adapters for the model, by clients' names for them."""
    adapter_weights: Literal["merged", "shared"] = "merged"
    """`merged`: each loaded adapter has weights of its own. `shared`: all take turns in one copy
    beside the model's; the scores are the same, and a pass after another adapter's takes longer."""
    max_adapters: _Count = 4
    """How many adapters stay loaded, the last asked for."""
    dtype: str | None = None
    """`float32`, `bfloat16` or `float16`; none is what suits the device."""
    device: str | None = None
    """`cpu`, `cuda`, `cuda:1`, `mps`; none is the best there is."""
    batch_tokens: _Count | None = None
    """Tokens of a pass, at most; none is what suits the device."""
    cache: Cache | None = None
    """Keeps what is read of passages, for layouts `cross` and `blocks`; none keeps nothing."""
    overrides: dict[str, _Override] = Field(default_factory=dict)
    """Reranker settings in place of the checkpoint's: `window`, `strategy`, `passage_tokens`, …"""
    tokenise_threads: _Count = 2
    """Threads that tokenise."""
    limits: Limits = Limits()
    """What a request may ask for, and how much may wait."""
    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(default=(), repr=False)
    """Keys with commas between, plain or as `sha256:` and their digests; without any, the service
    is open."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the service."""
    collection: str | None = None
    """A folder in BEIR layout that the page searches."""
    drain_s: _Seconds = 30.0
    """Seconds that accepted requests have to end on a stop."""
    health_s: _Seconds = 120.0
    """Seconds without a sign of the engine after which the replica is ill; longer than the longest
    pass."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Of the JSON logs."""
    otel: bool = False
    """Whether to trace requests with OpenTelemetry, as the `OTEL_…` variables say."""

    @field_validator("api_keys", mode="before")
    @classmethod
    def _hashed(cls, keys: object) -> object:
        """Every key as a digest, so that none is held or shown."""
        if isinstance(keys, str):
            keys = [key.strip() for key in keys.split(",")]
        if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
            raise ValueError("api_keys must be strings, with commas between in the environment")
        if any(key.startswith("sha256:") and digest_of(key) != key for key in keys):
            raise ValueError("a key begins with sha256: and no digest follows, 64 digits of 0-9a-f")
        # The default is validated too: an empty tuple.
        if keys != () and not any(keys):
            raise ValueError("api_keys holds no key; unset it to serve without")
        return tuple(digest_of(key) for key in keys if key)

    @field_validator("overrides")
    @classmethod
    def _known(cls, overrides: dict[str, _Override]) -> dict[str, _Override]:
        taken = set(inspect.signature(Reranker).parameters)
        known = taken & {field.name for field in fields(Settings)}
        if unknown := sorted(set(overrides) - known):
            raise ValueError(
                f"unknown setting(s) {unknown}; known are {sorted(known)}; what else a checkpoint "
                "carries is as it was trained"
            )
        return overrides
