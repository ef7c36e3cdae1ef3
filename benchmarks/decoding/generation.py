"""Generation: the same model over the same windows, ranking by a permutation that it writes.

After the very prompt whose next token's logits the engine reads, the model goes on `A] > [B] > …`,
its keys and values kept, as listwise rerankers did before FIRST (arXiv 2406.15657):

- greedy, as RankZephyr (arXiv 2312.02724) under RankLLM: exactly the tokens that a permutation
  takes, no sooner ended; then parsed, what is unknown or repeated dropped, and what was left out
  put after it in the old order;
- constrained: at each place only identifiers that are left may come. What stands between two is
  forced, and passes together with the identifier before it; the last passage needs no pass.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from reranker.checkpoint import Checkpoint
from reranker.encoder import Encoder
from reranker.errors import NonFiniteLogitsError, SettingsError
from reranker.layouts import layout_named
from reranker.lockstep import Lockstep, run
from reranker.passage import Passage
from reranker.prompt import Prompt
from reranker.ranking import Ranking
from reranker.reranker import Reranker
from reranker.strategies import Scores
from training.convert.answer import parse_answer
from training.skips import RowError

OPENING, BETWEEN, END = "[", "] > [", "]"


@dataclass(frozen=True, slots=True)
class Written:
    """One window's answer.

    `ranking` are places in the window, best first; `named` is how many of them the answer named,
    `tokens` its length with what was forced, `passes` the model's forward passes for it.
    """

    ranking: tuple[int, ...]
    named: int
    tokens: int
    passes: int
    malformed: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """What a query's answers come to; `passages` are all that their windows held."""

    answers: int = 0
    passages: int = 0
    named: int = 0
    tokens: int = 0
    passes: int = 0
    malformed: int = 0

    @classmethod
    def of(cls, written: Sequence[Written]) -> "Tally":
        """The sums over answers."""
        return cls(
            answers=len(written),
            passages=sum(len(one.ranking) for one in written),
            named=sum(one.named for one in written),
            tokens=sum(one.tokens for one in written),
            passes=sum(one.passes for one in written),
            malformed=sum(one.malformed for one in written),
        )


def twin(checkpoint: Checkpoint) -> Checkpoint:
    """The same weights, not copied, in modules of their own: an engine changes those it gets."""
    model = checkpoint.model
    kept = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return replace(checkpoint, model=deepcopy(model, kept))


class Continuation:
    """A row of tokens that a model goes on with; keys and values are kept."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._kept: Any = None
        self.passes = 0

    @torch.inference_mode()
    def feed(self, tokens: Sequence[int]) -> Tensor:
        """Go on by these tokens in one pass; the logits after the last, `(vocabulary,)`."""
        output = self._model(
            input_ids=torch.tensor([list(tokens)], device=self._model.device),
            past_key_values=self._kept,
            use_cache=True,
            logits_to_keep=1,
        )
        self._kept = output.past_key_values
        self.passes += 1
        logits: Tensor = output.logits[0, -1].float()
        return logits


class Writer:
    """Writes the permutations of windows with a model that no engine has taken over."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._model: Any = checkpoint.model
        self._encoder = Encoder(checkpoint.tokenizer)
        self._between, self._end = map(self._encoder.literal, (BETWEEN, END))
        self._stops = torch.tensor(_stops(checkpoint), device=self._model.device, dtype=torch.long)

    def permutation_tokens(self, passages: int) -> int:
        """Tokens of a permutation of so many, after its opening bracket."""
        return passages + (passages - 1) * len(self._between) + len(self._end)

    def greedy(self, prompt: Prompt) -> Written:
        """The likeliest token each time, whatever it is, and what the text says.

        Raises:
            NonFiniteLogitsError: for NaN or infinity.
        """
        row, found = Continuation(self._model), list[int]()
        while len(found) < self.permutation_tokens(len(prompt.identifiers)):
            logits = row.feed(found[-1:] or prompt.token_ids)
            found.append(_likeliest(logits.index_fill(0, self._stops, -torch.inf)))
        text = OPENING + self._encoder.decode(found)
        return parsed(text, prompt.identifiers, tokens=len(found), passes=row.passes)

    def constrained(self, prompt: Prompt) -> Written:
        """The likeliest identifier of those left, place after place.

        Raises:
            NonFiniteLogitsError: for NaN or infinity.
        """
        row, new, ranking = Continuation(self._model), prompt.token_ids, list[int]()
        identifiers = torch.tensor(prompt.identifier_ids, device=self._model.device)
        taken = torch.zeros_like(identifiers, dtype=torch.bool)
        while len(ranking) < len(identifiers) - 1:
            logits = row.feed(new)[identifiers].masked_fill(taken, -torch.inf)
            ranking.append(_likeliest(logits))
            taken[ranking[-1]] = True
            new = [prompt.identifier_ids[ranking[-1]], *self._between]
        ranking += (~taken).nonzero().flatten().tolist()
        tokens = self.permutation_tokens(len(ranking))
        return Written(tuple(ranking), len(ranking), tokens, row.passes)


def parsed(text: str, identifiers: Sequence[str], *, tokens: int, passes: int) -> Written:
    """What an answer says of the passages with these identifiers; malformed ones are mended."""
    try:
        answer = parse_answer(text, identifiers)
    except RowError:
        return Written(tuple(range(len(identifiers))), 0, tokens, passes, malformed=True)
    return Written(answer.ranking, answer.named, tokens, passes, malformed=bool(answer.repairs))


class GeneratingReranker:
    """Ranks by the windows, strategy and prompts of a `Reranker`, and by permutations written.

    A window's score is the negated place in its permutation, so the first stage's prior, which
    weighs logits, is left out.

    Args:
        reranker: what lays the windows and makes the prompts.
        write: a `Writer`'s way to answer a prompt.

    Raises:
        SettingsError: for a layout whose passages do not read each other.
    """

    def __init__(self, reranker: Reranker, write: Callable[[Prompt], Written]) -> None:
        settings = reranker.settings
        if settings.template is None and layout_named(settings.layout).apart:
            raise SettingsError(
                f"in layout {settings.layout!r} passages are read apart from each other, which "
                "text that is generated after them cannot be; give a layout that is read in one "
                "row: --setting layout=listwise or layout=suffix"
            )
        self._reranker = reranker.with_settings(prior=0)
        self._write = write

    def rank(self, query: str, passages: Sequence[Passage]) -> tuple[Ranking, Tally]:
        """The ranking of a query's passages, and what its answers come to.

        Raises:
            RerankerError: as `Reranker.rank` does.
        """
        written: list[Written] = []

        def score(prompts: Sequence[Prompt]) -> list[Scores]:
            new = [self._write(prompt) for prompt in prompts]
            written.extend(new)
            return [falling(one.ranking) for one in new]

        job = self._reranker.job(self._reranker.encode(query, passages))
        list(run([job], Lockstep(score, batch_tokens=1)))
        if job.error is not None:
            raise job.error
        return Ranking.of(job, query, passages), Tally.of(written)

    def rank_many(
        self, queries: list[str], passages: list[list[Passage]], *, progress: bool = True
    ) -> list[Ranking]:
        """One ranking a query, one query after another."""
        pairs = tqdm(
            zip(queries, passages, strict=True), total=len(queries), unit="query",
            disable=not progress,
        )  # fmt: skip
        return [self.rank(*pair)[0] for pair in pairs]


def falling(ranking: Sequence[int]) -> list[float]:
    """Scores by place in the window, falling along a ranking of those places."""
    scores = [0.0] * len(ranking)
    for rank, place in enumerate(ranking):
        scores[place] = -float(rank)
    return scores


def _stops(checkpoint: Checkpoint) -> list[int]:
    """The tokens that end an answer."""
    named = checkpoint.model.generation_config.eos_token_id
    known = [*(named if isinstance(named, list) else [named]), checkpoint.tokenizer.eos_token_id]
    return sorted({token for token in known if token is not None})


def _likeliest(logits: Tensor) -> int:
    logit, place = logits.max(0)
    if not bool(logit.isfinite()):
        raise NonFiniteLogitsError([0])
    return int(place)
