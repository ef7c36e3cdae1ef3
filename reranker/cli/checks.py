"""What `reranker doctor` looks at: packages, the machine, the embedded default, a real ranking."""

import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from reranker import __version__
from reranker.loading import brief

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OK, OFF, WARNING, FAILURE = "ok", "off", "warning", "failure"
SHOWN = ("peft", "torch", "transformers")
_UNTRAINED = "this version ships no trained adapter: name a trained reranker with --model"
_QUERY = "Which animal barks at strangers?"
_PASSAGES = ("Share prices fell on Friday.", "A dog barks at strangers and guards the house.")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `remedy` is what to do about it, where something is to be done.

    `state` is `ok`, `off` (optional and not there), `warning` or `failure`.
    """

    name: str
    state: str
    found: str
    remedy: str | None = None


def checks(model: str | None, *, load: bool) -> Iterator[Check]:
    """Every check, each made when it is asked for."""
    yield Check("reranker", OK, __version__)
    yield Check(
        "python", OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    yield from requirements()
    yield from extras()
    yield guarded("device", device)
    yield guarded("embedded model", embedded_model)
    yield guarded("cache", cache)
    if load:
        yield guarded("ranking", lambda: ranking(model))


def guarded(name: str, check: Callable[[], Check]) -> Check:
    """A check, or the error that it ended in."""
    try:
        return check()
    except Exception as error:
        return Check(name, FAILURE, brief(error, 600), "mend what the check 'found' says")


def requirements() -> Iterator[Check]:
    """The packages that the library cannot do without."""
    others = 0
    for requirement in _requirements(""):
        version = installed(requirement.name)
        fits = version is not None and requirement.specifier.contains(version, prereleases=True)
        if not fits:
            found = f"{version or 'not installed'}, needed: {requirement.specifier or 'any'}"
            install = f"pip install '{requirement.name}{requirement.specifier}'"
            yield Check(requirement.name, FAILURE, found, install)
        elif requirement.name in SHOWN:
            yield Check(requirement.name, OK, version or "")
        else:
            others += 1
    yield Check("other requirements", OK, f"{others} installed")


def extras() -> Iterator[Check]:
    """The optional packages, by extra."""
    for extra in sorted({extra for extra in _extras() if extra != "dev"}):
        found = {
            requirement.name: installed(requirement.name) for requirement in _requirements(extra)
        }
        absent = [name for name, version in found.items() if version is None]
        present = ", ".join(f"{name} {version}" for name, version in found.items() if version)
        if absent:
            missing = f"{', '.join(absent)} not installed"
            install = f"pip install 'reranker[{extra}]'"
            yield Check(f"[{extra}]", OFF, f"{present}; {missing}" if present else missing, install)
        else:
            yield Check(f"[{extra}]", OK, present)


def device() -> Check:
    """Where models run, in which type, on how many threads."""
    import torch

    from reranker.device import choose_device, choose_dtype

    chosen = choose_device(None)
    dtype = str(choose_dtype(None, chosen)).removeprefix("torch.")
    name = f" ({torch.cuda.get_device_name(chosen)})" if chosen.type == "cuda" else ""
    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores"
    return Check("device", OK, f"{chosen}{name}, {dtype}, {threads}")


def embedded_model() -> Check:
    """Whether the embedded default is here, converted and adapted."""
    from reranker import embedded

    if not embedded.is_installed() and not unpacked():
        found = f"the package {embedded.PACKAGE} is not installed"
        return Check("embedded model", WARNING, found, f"{embedded.INSTALL}, or give --model")
    version = installed(embedded.PACKAGE)
    package = f"{embedded.PACKAGE} {version}" if version else f"{embedded.PACKAGE} not installed"
    state = "converted" if unpacked() else "converted at its first use, in about 30 s"
    if embedded.shipped_adapter() is None:
        found = f"{package}, {state}, without the adapter that makes it a reranker"
        return Check("embedded model", WARNING, found, _UNTRAINED)
    return Check("embedded model", OK, f"{package}, {state}, with its adapter")


def unpacked() -> list[Path]:
    """The embedded model's whole entries in the cache."""
    from reranker.cache import MANIFEST, cache_folder, is_whole

    entries = sorted(path.parent for path in cache_folder().glob(f"smollm2-*/{MANIFEST}"))
    return [entry for entry in entries if is_whole(entry)]


def cache() -> Check:
    """Where the cache is, how large, and whether it can be written."""
    from reranker.cache import VARIABLE, cache_folder

    folder = cache_folder()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(nearest).free
    found = f"{folder}: {used / 1e6:.0f} MB used, {free / 1e9:.0f} GB free"
    if not os.access(nearest, os.W_OK):
        remedy = f"point {VARIABLE} at a folder that you can write"
        return Check("cache", WARNING, f"{found}, cannot be written", remedy)
    return Check("cache", OK, found)


def ranking(model: str | None) -> Check:
    """Load the model and rank two passages."""
    from reranker.reranker import Reranker

    started = time.perf_counter()
    reranker = Reranker(model)
    loaded = time.perf_counter()
    found = reranker.rank(_QUERY, _PASSAGES)
    done = time.perf_counter()
    timing = f"{1000 * (loaded - started):.0f} ms to load, {1000 * (done - loaded):.0f} ms to rank"
    if found[0].index == 1:
        return Check("ranking", OK, f"{reranker.name}: two passages rightly ordered, {timing}")
    return Check(
        "ranking",
        WARNING,
        f"{reranker.name} runs and puts the wrong one of two passages first, {timing}",
        "expect little of this model: choose one that was trained to rerank",
    )


def installed(package: str) -> str | None:
    """A package's version, or None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> list[str]:
    try:
        return metadata.metadata("reranker").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []


def _requirements(extra: str) -> Iterator["Requirement"]:
    """What an extra needs beyond the library's own requirements ("": those themselves)."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires("reranker") or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, lines):
        of_extra = re.search(r"\bextra\s*==", str(requirement.marker)) is not None
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if of_extra != bool(extra) or not applies:
            continue
        if requirement.name == "reranker":
            for other in requirement.extras:
                yield from _requirements(other)
        else:
            yield requirement
