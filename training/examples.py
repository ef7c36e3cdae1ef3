"""Examples: the windows of a mixture as token ids, by number."""

import logging
from dataclasses import dataclass, replace

import numpy as np

from reranker.candidates import Candidates
from reranker.errors import InputError
from reranker.prompt import Asked, Prompt, Segments, own_tokens
from reranker.prompter import Prompter
from training.decoys import with_decoy
from training.errors import TrainingError
from training.mixture import Mixture
from training.window import Sizes, Window

_TRIES = 16
# Apart from the draws of `training.mixture`, whose spawn keys are longer.
_LENGTHS, _DECOYS, _LIKELIHOOD = 3, 4, 5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """The answer that a language-modelling loss reads: `token_ids`, and each token's rank.

    Ranks count from 1 for the identifier of the best passage; separators have 0.
    """

    token_ids: tuple[int, ...]
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """One query of an example: its tokens after the passages, its labels, maybe an answer.

    `labels` has one a passage, in the prompt's order. `tails` are what follows each passage for
    this query, where every passage is asked it; one more than there are passages follows nothing.
    `asked` is where the tails hold the query, if its likelihood is part of the scores.
    """

    token_ids: tuple[int, ...]
    labels: tuple[float, ...]
    target: Target | None = None
    tails: tuple[tuple[int, ...], ...] = ()
    asked: Asked | None = None

    def __len__(self) -> int:
        answer = len(self.target.token_ids) - 1 if self.target else 0
        return sum(map(len, self.tails)) + len(self.token_ids) + answer


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt's passages, their identifiers, and one branch for every query over them.

    `shared` is what all branches have read before: prefix and passages, as `Prompt.shared`.
    `null_id` is the null candidate's token, if scores are read against it. Where the base alone
    reads passages, `own` are the last tokens of each shared block that are not the passage's.
    """

    shared: Segments
    identifier_ids: tuple[int, ...]
    branches: tuple[Branch, ...]
    null_id: int | None = None
    own: int | None = None

    @property
    def adapted(self) -> list[bool]:
        """Which tokens an adapter acts on that does not read passages."""
        [prefix], blocks = self.shared
        return own_tokens(prefix, blocks, self.own or 0, sum(map(len, self.branches)))

    def __len__(self) -> int:
        shared = sum(len(segment) for level in self.shared for segment in level)
        return shared + sum(map(len, self.branches))


@dataclass(frozen=True, slots=True)
class Separators:
    """The tokens between two identifiers of an answer, and after the last."""

    between: tuple[int, ...]
    end: tuple[int, ...]


class Examples:
    """Windows 0 to `count` of a mixture, as a sequence: the same for the same seed.

    A window that no cutting makes fit, or whose query has no visible character, is replaced by
    the one after it, with a warning.

    Args:
        mixture: gives the windows.
        prompter: makes them prompts.
        lengths: the passages' token limits, drawn anew for every window.
        count: how many there are.
        separators: adds answers, for language-modelling losses.
        decoys: the share of windows that get a decoy, see `training.decoys`.
        frozen: passages are read by the base alone.
        likelihood_dropout: the share of windows whose scores are the identifiers' logits alone.
    """

    def __init__(
        self,
        mixture: Mixture,
        prompter: Prompter,
        *,
        lengths: Sizes,
        count: int,
        separators: Separators | None = None,
        decoys: float = 0.0,
        frozen: bool = False,
        likelihood_dropout: float = 0.0,
    ) -> None:
        self.frozen, self.likelihood_dropout = frozen, likelihood_dropout
        self.mixture, self.prompter, self.lengths = mixture, prompter, lengths
        self.count, self.separators, self.decoys = count, separators, decoys

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self.count:
            raise IndexError(index)
        limit = self.lengths.draw(index, self._rng(_LENGTHS, index))
        for number in range(index, index + _TRIES):
            window = self._window(number)
            try:
                return self._dropped(self._example(window, limit), number)
            except InputError as error:
                log.warning("window %d (%.40r) skipped: %s", number, window.row.query, error)
        raise TrainingError(
            f"windows {index} to {index + _TRIES - 1} do not fit the model: the warnings say why; "
            "use smaller windows, fewer query_tokens, or a model with a longer context"
        )

    def _rng(self, kind: int, number: int) -> np.random.Generator:
        key = np.random.SeedSequence(self.mixture.seed, spawn_key=(kind, number))
        return np.random.default_rng(key)

    def _window(self, number: int) -> Window:
        """A window of the mixture, maybe with a decoy; what else is drawn does not depend on it."""
        window, rng = self.mixture.window(number), self._rng(_DECOYS, number)
        decoyed = rng.random() < self.decoys
        return replace(window, row=with_decoy(window.row, rng)) if decoyed else window

    def _dropped(self, example: Example, number: int) -> Example:
        """The example, maybe without its queries' likelihoods."""
        if self._rng(_LIKELIHOOD, number).random() >= self.likelihood_dropout:
            return example
        return replace(example, branches=tuple(replace(b, asked=None) for b in example.branches))

    def _example(self, window: Window, limit: int) -> Example:
        row = window.row
        candidates = self.prompter.encode(row.query, row.passages).shortened(limit)
        places = range(len(row.passages))
        prompt = self.prompter.prompt(candidates, places, window.identifiers or tuple(places))
        identifiers = prompt.identifier_ids
        branches = [self._branch(candidates, row.labels(), identifiers)]
        for other in row.others:
            asked = self.prompter.encode(other.query, ())
            branches.append(self._branch(asked, other.relevance, identifiers))
        asks = self.prompter.asks_after
        shared = ((prompt.prefix,), prompt.passages) if asks else prompt.shared
        own = _own(prompt, asks) if self.frozen else None
        return Example(shared, identifiers, tuple(branches), prompt.null_id, own)

    def _branch(
        self, asked: Candidates, labels: tuple[float, ...], identifiers: tuple[int, ...]
    ) -> Branch:
        closing = self.prompter.closing(asked, len(labels))
        separators = self.separators
        target = None if separators is None else _target(labels, identifiers, separators)
        tails = self.prompter.tails(asked, identifiers) if self.prompter.asks_after else ()
        return Branch(closing, labels, target, tails, self.prompter.asked(asked, len(labels)))


def example_of(prompt: Prompt, *, frozen: bool = False) -> Example:
    """A prompt as an example, without labels; `frozen` as for `Examples`."""
    own = _own(prompt, prompt.asked is not None) if frozen else None
    labels = (0.0,) * len(prompt.identifier_ids)
    if prompt.asked is None:
        branch = Branch(prompt.closing, labels)
        return Example(prompt.shared, prompt.identifier_ids, (branch,), prompt.null_id, own)
    # As training packs them: passages in the prompt's order, the null candidate's tail last.
    places, every, ends = prompt.asked.places, prompt.passages, prompt.tails
    passages = tuple(every[place] for place in places[: len(labels)])
    tails = tuple(ends[place] for place in places)
    asked = replace(prompt.asked, places=tuple(range(len(places))))
    branch = Branch(prompt.closing, labels, None, tails, asked)
    shared = ((prompt.prefix,), passages)
    return Example(shared, prompt.identifier_ids, (branch,), prompt.null_id, own)


def _own(prompt: Prompt, asks: bool) -> int:
    """What a shared block ends with that is not its passage's: nothing where tails are apart."""
    return 0 if asks else prompt.tail or 0


def _target(
    labels: tuple[float, ...], identifier_ids: tuple[int, ...], separators: Separators
) -> Target:
    """Identifiers in the order of the labels, best first; equal ones as they stand."""
    order = sorted(range(len(labels)), key=lambda place: -labels[place])
    tokens: list[int] = []
    ranks: list[int] = []
    for rank, place in enumerate(order, 1):
        after = separators.end if rank == len(order) else separators.between
        tokens += [identifier_ids[place], *after]
        ranks += [rank, *([0] * len(after))]
    return Target(tuple(tokens), tuple(ranks))
