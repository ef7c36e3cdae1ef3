"""The races: what the engine costs, and what one pass, packing and lockstep gain."""

from collections.abc import Iterator, Sequence
from functools import partial

import torch

from benchmarks.race import Limit, Prepare, Race
from benchmarks.speed.contestants import Contestants, Logits
from benchmarks.workload import CandidateList, Workload, draw, padding
from reranker.errors import EngineError
from reranker.prompt import Prompt
from reranker.ranking import Ranking

TOLERANCE = 1e-3
_CHARACTERS_A_TOKEN = 8


def overhead(runners: Contestants, workload: Workload) -> Race:
    """The engine against the model's bare forward, whose tensor lies ready on the device."""
    prompt = _large_window(runners, workload)
    row = runners.plain.tensor(prompt.token_ids)
    bare = runners.plain.forward(row)[0, -1].float()[list(prompt.identifier_ids)].tolist()
    found = _difference(runners.engine.score([prompt]), [tuple(bare)], runners)
    return Race(
        "engine overhead",
        "engine, one window",
        "bare forward",
        partial(runners.engine.score, [prompt]),
        partial(runners.plain.forward, row),
        Limit(1.05, at_most=True),
        fineness=3,
        facts={**_facts([prompt]), "largest logit difference": found},
    )


def permutation(runners: Contestants, workload: Workload) -> Race:
    """Generating the whole permutation against one pass of the engine."""
    new_tokens = runners.permutation_tokens(_large_window(runners, workload))
    return _generation(
        runners, workload, "whole permutation", "generate the permutation", new_tokens, Limit(2.5)
    )


def first_token(runners: Contestants, workload: Workload) -> Race:
    """Generating the first identifier alone against one pass of the engine."""
    return _generation(runners, workload, "first token", "generate one token", 1, None)


def _generation(
    runners: Contestants,
    workload: Workload,
    name: str,
    first: str,
    new_tokens: int,
    limit: Limit | None,
) -> Race:
    prompt = _large_window(runners, workload)
    row = runners.plain.tensor(prompt.token_ids)
    return Race(
        name,
        first,
        "engine, one window",
        partial(runners.plain.generate, row, new_tokens),
        partial(runners.engine.score, [prompt]),
        limit,
        facts={**_facts([prompt]), "generated tokens": new_tokens},
    )


def mixed_windows(runners: Contestants, workload: Workload) -> Race:
    """Padding against packing over windows of many sizes."""
    lists = draw(workload.batch, workload.mixed, workload.window)
    name = f"windows of {workload.mixed} to {workload.window}"
    return _packing(runners, workload, name, lists, Limit(1.3))


def equal_windows(runners: Contestants, workload: Workload) -> Race:
    """Padding against packing over full windows, whose lengths differ by their passages' alone."""
    lists = draw(workload.batch, workload.window, workload.window)
    return _packing(runners, workload, f"windows of {workload.window}", lists, None)


def _packing(
    runners: Contestants,
    workload: Workload,
    name: str,
    lists: Sequence[CandidateList],
    limit: Limit | None,
) -> Race:
    prompts = runners.prompts(lists, workload.passage_tokens)
    found = _difference(runners.engine.score(prompts), runners.plain.score(prompts), runners)
    lengths = [len(prompt) for prompt in prompts]
    return Race(
        f"packing, {name}",
        "padded batch",
        "engine, packed",
        partial(runners.plain.score, prompts),
        partial(runners.engine.score, prompts),
        limit,
        facts={
            **_facts(prompts),
            "shortest": min(lengths),
            "longest": max(lengths),
            "tokens a pass": runners.engine.batch_tokens,
            "padding": f"{padding(lengths):.0%}",
            "largest logit difference": found,
        },
    )


def long_lockstep(runners: Contestants, workload: Workload) -> Race:
    """One query after another against all in lockstep, over large sliding windows."""
    return _lockstep(runners, workload.batch, *workload.candidates, workload.window_tokens)


def short_lockstep(runners: Contestants, workload: Workload) -> Race:
    """One query after another against all in lockstep, over one small window each."""
    return _lockstep(runners, workload.batch, workload.short, workload.short, workload.short_tokens)


def _lockstep(
    runners: Contestants, queries: int, fewest: int, most: int, passage_tokens: int
) -> Race:
    reranker = runners.reranker.with_settings(passage_tokens=passage_tokens)
    lists = draw(queries, fewest, most)

    def together() -> list[Ranking]:
        texts, passages = [one.query for one in lists], [one.passages for one in lists]
        return reranker.rank_many(texts, passages, progress=False)

    def in_turn() -> list[Ranking]:
        return [reranker.rank(one.query, one.passages) for one in lists]

    found = together()
    size = f"{fewest} to {most}" if fewest < most else str(fewest)
    return Race(
        f"lockstep, {size} passages",
        "one query after another",
        "lockstep",
        in_turn,
        together,
        facts={
            **_facts(list(_prompts(found))),
            "queries": queries,
            "same order": _same(found, in_turn()),
        },
    )


def _prompts(rankings: Sequence[Ranking]) -> Iterator[Prompt]:
    for ranking in rankings:
        yield from (window.prompt for window in ranking.explain().windows)


def _same(found: Sequence[Ranking], expected: Sequence[Ranking]) -> str:
    """How many queries have the same order; near-ties may fall either way."""
    orders = [[[p.index for p in one] for one in rankings] for rankings in (found, expected)]
    return f"{sum(a == b for a, b in zip(*orders, strict=True))} of {len(found)}"


def _large_window(runners: Contestants, workload: Workload) -> Prompt:
    """A full window of passages that all reach the cut."""
    least = _CHARACTERS_A_TOKEN * workload.window_tokens
    lists = draw(1, workload.window, workload.window, least_characters=least)
    return runners.prompts(lists, workload.window_tokens)[0]


def _facts(prompts: Sequence[Prompt]) -> dict[str, object]:
    return {"windows": len(prompts), "tokens": sum(map(len, prompts))}


def _difference(found: Logits, expected: Logits, runners: Contestants) -> float:
    """The largest difference of two ways to the same logits.

    Raises:
        EngineError: for one beyond the tolerance in float32: what differs is not to be raced.
    """
    pairs = [pair for a, b in zip(found, expected, strict=True) for pair in zip(a, b, strict=True)]
    largest = max(abs(a - b) for a, b in pairs)
    if runners.dtype == torch.float32 and not largest <= TOLERANCE:
        raise EngineError(
            f"the engine's logits differ from the plain model's by {largest:.2g}, at most "
            f"{TOLERANCE:g} was expected; a race between them says nothing until that is mended"
        )
    return largest


RACES: tuple[Prepare, ...] = (
    overhead,
    permutation,
    first_token,
    mixed_windows,
    equal_windows,
    long_lockstep,
    short_lockstep,
)
