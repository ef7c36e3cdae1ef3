"""What would be served, looked at ahead: everything that is read or listened on, but no server."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from reranker.adapter import CONFIG, WEIGHTS, base_name, is_adapter
from reranker.collection import read_beir
from reranker.device import choose_device, choose_dtype
from reranker.embedded import EMBEDDED_NAME, HUB_NAME, is_installed
from reranker.errors import MissingExtraError, RerankerError, SettingsError
from reranker.hub import cached, looks_like_path
from reranker.layouts import layout_named
from reranker.loading import loading
from reranker.overrides import overridden
from reranker.pretrained import read_json
from reranker.settings import Settings
from reranker.source import Source, find_source
from serve.local import LOOPBACK, check_free
from serve.settings import Cache, ServeSettings
from serve.tracing import exporting

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: its name.
        found: what was found, in a few words.
        error: what is wrong with it, and how to mend it.
    """

    what: str
    found: str
    error: str | None = None


def check(settings: ServeSettings, *, host: str = LOOPBACK, port: int = 8000) -> list[Finding]:
    """Look at all that a service of these settings needs, on this machine.

    Nothing is fetched, and no model is loaded: what lies elsewhere is named as such.

    Args:
        settings: of the service.
        host, port: where HTTP would listen.
    """
    looks: dict[str, Callable[[], str]] = {
        "model": partial(_model, settings),
        "device": partial(_device, settings),
        **{f"adapter {name}": partial(_adapter, settings, name) for name in settings.adapters},
        "cache": partial(_cache, settings),
        "collection": partial(_collection, settings),
        "keys": partial(_keys, settings),
        "address": partial(_address, host, port),
        "tracing": partial(_tracing, settings),
    }
    return [_looked(what, look) for what, look in looks.items()]


def _looked(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, look())
    except RerankerError as error:
        return Finding(what, "", str(error))


def _model(settings: ServeSettings) -> str:
    if _elsewhere(settings.model):
        return f"{settings.model}, to be fetched from Hugging Face"
    source = find_source(settings.model)
    _read(source)
    read = _settings(settings, source)
    layout = "a template" if read.template else f"layout {read.layout}"
    return f"{settings.name or source.name}: {layout}, {read.strategy}, windows of {read.window}"


def _adapter(settings: ServeSettings, name: str) -> str:
    given = settings.adapters[name]
    if _elsewhere(settings.model) or _elsewhere(given):
        return f"{given}, to be fetched from Hugging Face"
    source = find_source(settings.model, adapter=given)
    _read(source)
    _settings(settings, source)
    return f"{given}, {settings.adapter_weights} weights"


def _elsewhere(name: str | None) -> bool:
    """Whether a name stands for a model that would be fetched from Hugging Face, or its base."""
    if name is None or name == EMBEDDED_NAME:
        return False
    path = Path(name).expanduser()
    if is_adapter(path):
        base = base_name(path)
        inside = (base == HUB_NAME and is_installed()) or (path / base).is_dir()
        return not inside and _elsewhere(base)
    return not path.exists() and not looks_like_path(name) and cached(name) is None


def _read(source: Source) -> None:
    """Read what says what the files of weights hold."""
    from safetensors import safe_open

    with loading(f"model {source.name!r}"):
        files = [source.weights]
        if source.weights.is_dir():
            read_json(source.weights / "config.json")
            files = sorted(source.weights.glob("*.safetensors"))
        if source.adapter is not None:
            read_json(source.adapter / CONFIG)
            files.append(source.adapter / WEIGHTS)
        for path in files:
            if path.suffix != ".safetensors":
                path.open("rb").close()
                continue
            with safe_open(path, "pt") as file:
                file.keys()


def _settings(settings: ServeSettings, source: Source) -> Settings:
    return overridden(source.settings() or Settings(), **settings.overrides)


def _device(settings: ServeSettings) -> str:
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    return f"{device}, {str(dtype).removeprefix('torch.')}"


def _cache(settings: ServeSettings) -> str:
    cache = settings.cache
    if cache is None:
        return "none"
    memory = f"{cache.memory / _GIB:.3g} GiB of memory"
    found = f"{memory}, {_disk(cache)}" if cache.folder else memory
    if not _elsewhere(settings.model):
        read = _settings(settings, find_source(settings.model))
        if read.template or not layout_named(read.layout).keeps:
            raise SettingsError(
                f"the model's layout is {read.layout}, and passages are kept for cross and blocks; "
                "leave the cache out, or serve a model that was trained with one of them"
            )
    return found


def _disk(cache: Cache) -> str:
    if find_spec("lmdb") is None:
        raise MissingExtraError("lmdb", "cache", "a passage cache on disk")
    folder = Path(cache.folder or "").expanduser().resolve()
    there = next(each for each in [folder, *folder.parents] if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise SettingsError(f"{there} is no folder that may be written to; give cache another one")
    return f"{cache.disk / _GIB:.3g} GiB in {folder}"


def _collection(settings: ServeSettings) -> str:
    if not settings.collection:
        return "none"
    found = read_beir(settings.collection)
    for package in ("bm25s", "Stemmer"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "bm25", "searching the collection")
    return f"{found.name}, {len(found.passages)} passages"


def _keys(settings: ServeSettings) -> str:
    count = len(settings.api_keys)
    return f"{count}" if count else "none in this environment: open to whoever reaches the address"


def _address(host: str, port: int) -> str:
    check_free(host, port)
    return f"http://{host}:{port}"


def _tracing(settings: ServeSettings) -> str:
    if not settings.otel:
        return "off"
    exporting().shutdown()
    return "as the OTEL_ variables say"
