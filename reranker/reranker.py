"""The Python call: a model, loaded once, that ranks passages for queries."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reranker.candidates import Candidates
from reranker.checkpoint import Checkpoint, context_tokens, load
from reranker.encoder import Encoder
from reranker.engine import Engine
from reranker.errors import InputError, SettingsError
from reranker.inputs import check_options, check_pairs, check_query
from reranker.jobs import job_of, strategy_over
from reranker.lockstep import Job, Lockstep, run
from reranker.overrides import overridden, refuse_options
from reranker.passage import Passage, as_passages
from reranker.passage_cache import PassageCache
from reranker.prompter import Prompter
from reranker.ranking import Ranking
from reranker.settings import Settings
from reranker.strategies import foreseen

if TYPE_CHECKING:
    import torch


class Reranker:
    """A listwise reranker with single-token decoding (FIRST, arXiv 2406.15657).

    One forward pass a window: the next token's logits of the passages' identifiers rank them,
    and nothing is generated.

    Args:
        model: a Hugging Face name, a folder, a folder with a PEFT adapter, a GGUF file, a loaded
            `Checkpoint`, or None for the embedded default.
        adapter: a PEFT adapter's name or folder to merge into the model.
        dtype: `"float32"`, `"bfloat16"`, …; chosen by device when not given.
        device: `"cpu"`, `"cuda"`, …; the best there is when not given.
        revision: a branch, tag or commit of a Hugging Face name.
        batch_tokens: the most tokens of one forward pass, windows of several queries together.
        cache: keeps what the model reads of passages, so that later queries reuse it; for the
            layouts `blocks` and `cross`.
        template: a file (or the text) of a prompt template in RankLLM's YAML format, in place of
            a layout.
        strategy, layout, identifiers, window, stride, passes, passage_tokens, query_tokens,
            window_tokens, prior, likelihood, cut_query: override what the checkpoint carries; see
            `Settings`.

    Raises:
        ModelError: for a model that cannot be loaded, saying what to do about it.
        SettingsError: for settings that this model or tokenizer cannot meet.
    """

    def __init__(
        self,
        model: "str | Path | Checkpoint | None" = None,
        *,
        adapter: str | Path | None = None,
        dtype: "str | torch.dtype | None" = None,
        device: "str | torch.device | None" = None,
        revision: str | None = None,
        batch_tokens: int | None = None,
        cache: PassageCache | None = None,
        strategy: str | None = None,
        layout: str | None = None,
        template: str | Path | None = None,
        identifiers: str | Sequence[str] | None = None,
        window: int | None = None,
        stride: int | None = None,
        passes: int | None = None,
        passage_tokens: int | None = None,
        query_tokens: int | None = None,
        window_tokens: int | None = None,
        prior: float | None = None,
        likelihood: float | None = None,
        cut_query: bool | None = None,
    ) -> None:
        if isinstance(model, Checkpoint):
            refuse_options(adapter=adapter, dtype=dtype, device=device, revision=revision)
            checkpoint = model
        else:
            checkpoint = load(model, adapter=adapter, dtype=dtype, device=device, revision=revision)
        if template is not None and layout is not None:
            raise SettingsError("give a layout or a template, not both")
        settings = overridden(
            checkpoint.settings or Settings(),
            strategy=strategy,
            layout=layout,
            template=template,
            identifiers=identifiers,
            window=window,
            stride=stride,
            passes=passes,
            passage_tokens=passage_tokens,
            query_tokens=query_tokens,
            window_tokens=window_tokens,
            prior=prior,
            likelihood=likelihood,
            cut_query=cut_query,
        )
        self.name = checkpoint.name
        self._encoder = Encoder(checkpoint.tokenizer)
        self._context = context_tokens(checkpoint.model)
        self._set(settings)
        if cache is not None and not self._prompter.keeps:
            raise SettingsError(
                f"layout {self._prompter.layout.name!r} reads a passage anew for every query, so a "
                "passage cache would hold nothing; use layout='blocks' or 'cross', or no cache"
            )
        self._engine = Engine(
            checkpoint.model,
            _read_ids(self._prompter.identifiers.token_ids, self._encoder),
            batch_tokens=batch_tokens,
            cache=cache,
            whole_head=settings.likelihood > 0,
        )

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @property
    def engine(self) -> Engine:
        """The engine that scores the windows."""
        return self._engine

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The identifiers that the tokenizer holds as one token, in the order they are dealt."""
        return self._prompter.identifiers.names

    @property
    def window_tokens(self) -> int:
        """The most tokens of a window, by the settings and the model's context."""
        return self._prompter.budget

    def with_settings(self, **overrides: object) -> "Reranker":
        """Another reranker over the same loaded model, with settings overridden.

        Raises:
            SettingsError: for settings that need other identifiers than the engine holds.
        """
        other = object.__new__(Reranker)
        other.name, other._encoder, other._context = self.name, self._encoder, self._context
        other._set(overridden(self._settings, **overrides))
        missing = set(other._prompter.identifiers.token_ids) - set(self._engine.identifier_ids)
        if missing:
            raise SettingsError(
                f"these settings need {len(missing)} identifiers that this reranker's engine was "
                "not made with; make a new Reranker with them"
            )
        if other._settings.likelihood and not self._engine.whole_head:
            raise SettingsError(
                "the query's likelihood is read with all of the model's head, of which this "
                "reranker holds the identifiers' part; make a new Reranker with likelihood"
            )
        other._engine = self._engine
        return other

    def rank(
        self,
        query: str,
        passages: Iterable[object],
        *,
        top_k: int | None = None,
        instruction: str | None = None,
    ) -> Ranking:
        """Rank passages for a query.

        Args:
            query: what the passages are to answer.
            passages: strings, dicts with `text` (and `id`, `title`), or `Passage` objects, in
                first-stage order, which breaks ties. They are never changed.
            top_k: return the best `top_k` only.
            instruction: what relevance means here, read by the model before the query.

        Returns:
            All passages (or the best `top_k`), best first; empty for no passages.

        Raises:
            InputError: for a blank query, passages of another kind, a window beyond its budget.
            EngineError: for NaN or infinite logits, or a device out of memory.
        """
        [ranking] = self.rank_many(
            [query], [passages], top_k=top_k, instruction=instruction, progress=False
        )
        return ranking

    def rank_many(
        self,
        queries: Iterable[str],
        passages: Iterable[Iterable[object]],
        *,
        top_k: int | None = None,
        instruction: str | None = None,
        progress: bool | None = None,
    ) -> list[Ranking]:
        """Rank many queries' passages in lockstep: their windows share forward passes.

        Args:
            queries: one query each.
            passages: each query's passages, as for `rank`.
            top_k: return the best `top_k` of each query only.
            instruction: read before every query.
            progress: show a progress bar; by default on a terminal and for several queries.

        Returns:
            One ranking a query, in the order given; the same as from `rank`, up to the last
            digits of the logits.

        Raises:
            InputError: as for `rank`, or for unequal numbers of queries and passage lists;
                everything is checked before the first forward pass.
        """
        pairs = check_pairs(queries, passages)
        stream = self.rank_stream(pairs, top_k=top_k, instruction=instruction)
        rankings = dict(_with_progress(stream, len(pairs), progress))
        return [rankings[place] for place in range(len(pairs))]

    def rank_stream(
        self,
        pairs: Iterable[tuple[str, Iterable[object]]],
        *,
        top_k: int | None = None,
        instruction: str | None = None,
    ) -> Iterator[tuple[int, Ranking]]:
        """Rank `(query, passages)` pairs as they come; yield `(place, ranking)` as each is done.

        No more pairs are read than keep the forward passes full, so the input may be endless.

        Raises:
            RerankerError: at the first pair that fails; a note names its place.
        """
        check_options(top_k, instruction)
        taken: dict[Job, tuple[int, str, list[Passage]]] = {}

        def arrivals() -> Iterator[Job]:
            for place, (query, passages) in enumerate(pairs):
                candidates = as_passages(passages)
                job = self._job(check_query(query, place), candidates, instruction, place)
                taken[job] = (place, query, candidates)
                yield job

        for job in run(arrivals(), Lockstep(self._engine.score, self._engine.batch_tokens)):
            place, query, candidates = taken.pop(job)
            if job.error is not None:
                job.error.add_note(f"while ranking query {place}")
                raise job.error
            yield place, Ranking.of(job, query, candidates, top_k=top_k)

    def encode(
        self, query: str, passages: Sequence[Passage], instruction: str | None = None
    ) -> Candidates:
        """Tokenise a query and its candidates, in any thread.

        Raises:
            InputError: for a query without a visible character.
        """
        return self._prompter.encode(query, passages, instruction)

    def plan(self, candidates: Candidates) -> list[int]:
        """Tokens of the windows that ranking these candidates is expected to read, `(windows,)`.

        A window above `window_tokens` would be cut to it.
        """
        windows = foreseen(strategy_over(self._prompter, candidates))
        return [self._prompter.uncut_tokens(candidates, window) for window in windows]

    def job(self, candidates: Candidates, *, priority: float = 0) -> Job:
        """What ranks candidates in a `Lockstep` over `engine`; `Ranking.of` reads it when done."""
        return job_of(self._prompter, candidates, priority=priority)

    def keep(self, passages: Iterable[object]) -> int:
        """Read passages ahead of any query, so that ranking them costs the query alone.

        Args:
            passages: as for `rank`.

        Returns:
            How many were not kept yet.

        Raises:
            EngineError: for a reranker without a cache.
        """
        candidates = self.encode("-", as_passages(passages))
        # Each in a window of its own, where nothing cuts it.
        windows = [[place] for place in range(len(candidates))]
        return self._engine.keep([self._prompter.prompt(candidates, w) for w in windows])

    def _set(self, settings: Settings) -> None:
        self._settings = settings
        self._prompter = Prompter(self._encoder, settings, self._context)
        if settings.strategy != "full":
            self._prompter.identifiers.first(settings.window)

    def _job(self, query: str, passages: list[Passage], instruction: str | None, place: int) -> Job:
        try:
            return self.job(self.encode(query, passages, instruction))
        except InputError as error:
            error.add_note(f"while reading query {place}")
            raise


def _read_ids(identifiers: Sequence[int], encoder: Encoder) -> list[int]:
    """Every token whose logit settings may ask for: the identifiers' and the null candidate's."""
    return [*identifiers, *([] if encoder.end_id is None else [encoder.end_id])]


def _with_progress(
    stream: Iterator[tuple[int, Ranking]], total: int, progress: bool | None
) -> Iterator[tuple[int, Ranking]]:
    if progress is None:
        progress = total > 1 and sys.stderr.isatty()
    if not progress:
        return stream
    from tqdm.auto import tqdm

    return iter(tqdm(stream, total=total, desc="rerank", unit="query"))
