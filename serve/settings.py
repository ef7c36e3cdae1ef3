"""The service's settings: from the environment, or given; the limits may change while it runs."""

from dataclasses import fields
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from reranker.passage_cache import PassageCache
from reranker.settings import Settings
from serve.keys import digest_of

_Count = Annotated[int, Field(ge=1)]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Override = Annotated[int | str | list[str], Field(union_mode="left_to_right")]


class Limits(BaseModel):
    """What a request may ask for, and how much may wait; what `user_config` changes at run time.

    Args:
        max_body_bytes: of a request's body.
        max_documents: candidates of a request.
        max_request_tokens: tokens of a request, over all its windows, after truncation.
        max_queued_tokens: tokens of all accepted requests that no pass has read yet.
        max_queued_s: no request is taken behind a longer queue, at the measured speed.
        default_timeout_s: the deadline of a request that names none.
        max_timeout_s: later deadlines are brought forward to it.
        ageing_s: after so long a bulk request counts as an interactive one that has just arrived.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_body_bytes: _Count = 10 << 20
    max_documents: _Count = 1000
    max_request_tokens: _Count = 1 << 19
    max_queued_tokens: _Count = 1 << 20
    max_queued_s: _Seconds = 30.0
    default_timeout_s: _Seconds = 60.0
    max_timeout_s: _Seconds = 600.0
    ageing_s: _Seconds = 30.0

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
    """A passage cache; `RERANKER_SERVE_CACHE__FOLDER=…`. See `reranker.passage_cache`.

    Args:
        memory: bytes in a replica's memory.
        folder: on a disk that the machine's replicas share; None keeps passages in memory alone.
        disk: bytes on disk.
        stored: how keys and values are stored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: Annotated[int, Field(ge=0)] = 2 << 30
    folder: str | None = None
    disk: _Count = 64 << 30
    stored: str = "float16"

    def make(self) -> PassageCache:
        """The cache."""
        return PassageCache(self.memory, folder=self.folder, disk=self.disk, stored=self.stored)


class ServeSettings(BaseSettings):
    """How a replica is set up; `RERANKER_SERVE_MODEL=…`, `RERANKER_SERVE_LIMITS__MAX_DOCUMENTS=…`.

    Args:
        model: as for `Reranker`; the embedded default when not given.
        name: what clients call the model; as it was given when left out.
        aliases: other names of it, such as those that clients of another service send.
        any_name: whether a name that is no adapter's means the default, since clients of other
            services send those services' names; the answer names what ranked. False refuses them.
        adapters: folders or Hugging Face names of adapters for the model, by clients' names.
        max_adapters: how many adapters stay loaded, each with weights of its own.
        dtype, device, batch_tokens: as for `Reranker`.
        cache: keeps what the model reads of passages; for models of layout `blocks`.
        overrides: reranker settings in place of the checkpoint's (`reranker.Settings`).
        tokenise_threads: threads that tokenise.
        limits: what a request may ask for.
        api_keys: keys, or their digests as `sha256:…`; in the environment with commas between.
            Without any, the service is open.
        cors_origins: origins whose pages may call the service.
        collection: a folder in BEIR layout that the page searches.
        drain_s: seconds that accepted requests have to end on a stop.
        health_s: seconds without a sign of the engine after which the replica is ill; longer
            than the longest pass.
        log_level: of the JSON logs.
        otel: whether to trace with OpenTelemetry.
    """

    model_config = SettingsConfigDict(
        env_prefix="RERANKER_SERVE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    model: str | None = None
    name: str | None = None
    aliases: tuple[str, ...] = ()
    any_name: bool = True
    adapters: dict[str, str] = Field(default_factory=dict)
    max_adapters: _Count = 4
    dtype: str | None = None
    device: str | None = None
    batch_tokens: _Count | None = None
    cache: Cache | None = None
    overrides: dict[str, _Override] = Field(default_factory=dict)
    tokenise_threads: _Count = 2
    limits: Limits = Limits()
    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(default=(), repr=False)
    cors_origins: tuple[str, ...] = ()
    collection: str | None = None
    drain_s: _Seconds = 30.0
    health_s: _Seconds = 120.0
    log_level: str = "INFO"
    otel: bool = False

    @field_validator("api_keys", mode="before")
    @classmethod
    def _hashed(cls, keys: object) -> object:
        """Every key as a digest, so that none is held or shown."""
        if isinstance(keys, str):
            keys = [key.strip() for key in keys.split(",")]
        if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
            raise ValueError("api_keys must be strings, with commas between in the environment")
        return tuple(digest_of(key) for key in keys if key)

    @field_validator("overrides")
    @classmethod
    def _known(cls, overrides: dict[str, _Override]) -> dict[str, _Override]:
        known = {field.name for field in fields(Settings)}
        if unknown := sorted(set(overrides) - known):
            raise ValueError(f"unknown setting(s) {unknown}; known are {sorted(known)}")
        return overrides
