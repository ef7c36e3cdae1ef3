"""Filling a store of kept passages and ranking out of it, each in a process of its own."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from reranker.errors import InputError

if TYPE_CHECKING:
    from reranker.engine import Engine
    from reranker.passage_cache import PassageCache
    from reranker.prompt import Prompt

_STATUS = Path("/proc/self/status")
_MIB = 2**20
_TOGETHER = 64
_VOCABULARY = 512
_IDENTIFIERS = range(2, 302)
_PREFIX, _OPENING, _CLOSING, _TOKENS = (303, 304), 305, (306, 307, 308), range(310, 510)


@dataclass(frozen=True, slots=True)
class Store:
    """What is kept and asked; `memory` in bytes."""

    folder: str
    passages: int
    queries: int
    candidates: int
    memory: int
    stored: str


@dataclass(frozen=True, slots=True)
class Filled:
    """How filling went: seconds, MiB of the file, and MiB of memory that it took."""

    seconds: float
    file: float
    grown: float


@dataclass(frozen=True, slots=True)
class Opened:
    """How ranking went: milliseconds to open and a query, passages by where they were, MiB.

    `counted` is the memory by the cache's own count, `grown` by the system's, `mapped` the file's.
    """

    opening: float
    milliseconds: float
    entries: int
    computed: int
    damaged: int
    in_memory: float
    counted: float
    grown: float
    mapped: float


def fill(plan: Store) -> Filled:
    """Keep all passages, as many in each write as `reranker index` does."""
    engine, cache = _engine(plan)
    engine.keep([_prompt([0])])
    before, started = _resident("RssAnon"), time.perf_counter()
    for start in range(0, plan.passages, _TOGETHER):
        numbers = range(start, min(plan.passages, start + _TOGETHER))
        engine.keep([_prompt(numbers)])
    seconds = time.perf_counter() - started
    assert cache.store is not None, "a cache with a folder has a store"
    return Filled(seconds, cache.store.nbytes / _MIB, _resident("RssAnon") - before)


def rank(plan: Store) -> Opened:
    """Rank candidates drawn at random, over what another process has kept."""
    opening, (engine, cache) = _timed_engine(plan)
    assert cache.store is not None, "a cache with a folder has a store"
    draws, times = Random(0), list[float]()
    before = grown = 0.0
    for query in range(plan.queries):
        prompt = _prompt(draws.sample(range(plan.passages), min(plan.candidates, plan.passages)))
        started = time.perf_counter()
        engine.score([prompt])
        times.append(1000 * (time.perf_counter() - started))
        # The first one brings in what every process has.
        before = before if query else _resident("RssAnon")
        grown = max(grown, _resident("RssAnon") - before)
    found = cache.statistics
    return Opened(
        opening=opening,
        milliseconds=median(times),
        # The prefix is kept as well.
        entries=len(cache.store) - 1,
        computed=found.computed,
        damaged=found.damaged,
        in_memory=found.memory / max(1, found.memory + found.disk),
        counted=cache.nbytes / _MIB,
        grown=grown,
        mapped=_resident("RssFile"),
    )


def _timed_engine(plan: Store) -> "tuple[float, tuple[Engine, PassageCache]]":
    """The milliseconds that opening the folder took, and what came of it."""
    from reranker.passage_store import PassageStore

    engine, cache = _engine(plan, opened=False)
    started = time.perf_counter()
    cache.store = PassageStore(plan.folder, budget=_disk(plan))
    return 1000 * (time.perf_counter() - started), (engine, cache)


def _engine(plan: Store, *, opened: bool = True) -> "tuple[Engine, PassageCache]":
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from reranker.engine import Engine
    from reranker.passage_cache import PassageCache

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    folder = plan.folder if opened else None
    cache = PassageCache(plan.memory, folder=folder, disk=_disk(plan), stored=plan.stored)
    return Engine(LlamaForCausalLM(config).eval(), _IDENTIFIERS, cache=cache), cache


def _disk(plan: Store) -> int:
    """Bytes that no such file reaches."""
    return plan.passages * 2**16 + 2**26


def _prompt(numbers: Sequence[int]) -> "Prompt":
    """A window of passages by their numbers; the first identifiers where there are fewer."""
    from reranker.prompt import Prompt

    ids = [_IDENTIFIERS[place % len(_IDENTIFIERS)] for place in range(len(numbers))]
    blocks = ((*_passage(n), _OPENING, id_) for n, id_ in zip(numbers, ids, strict=True))
    return Prompt(
        prefix=_PREFIX,
        blocks=tuple(blocks),
        closing=_CLOSING,
        identifiers=tuple(map(str, ids)),
        identifier_ids=tuple(ids),
        apart=True,
        tail=2,
    )


def _passage(number: int) -> tuple[int, ...]:
    """4 to 12 tokens that no other number has."""
    base, first = len(_TOKENS), _TOKENS[0]
    told = (number % base, number // base % base, number // base**2 % base, number // base**3)
    more = Random(number).choices(_TOKENS, k=number % 9)
    return (*(first + digit for digit in told), *more)


def _resident(kind: str) -> float:
    """MiB that this process holds: of its own (`RssAnon`), of files (`RssFile`).

    Raises:
        InputError: where the system does not tell.
    """
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(
            f"memory is read from {_STATUS}, which is Linux's; run it there"
        ) from error
    [kilobytes] = [line.split()[1] for line in lines if line.startswith(kind)]
    return int(kilobytes) / 1024
