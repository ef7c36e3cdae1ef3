"""The job: shards that are pending are ranked, and all that are finished make the run."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from reranker import __version__
from reranker.cli.options import RerankerOptions
from serve.bulk.cluster import ClusterOptions
from serve.bulk.first_stage import FirstStage
from serve.bulk.output import Output
from serve.bulk.plan import Plan

SHARD = 32
# These decide how fast a ranking is found, and not which.
_FREE = ("device", "batch_tokens", "cache")
# Of a bar that goes to a file, in seconds.
_SELDOM = 60.0


@dataclass(frozen=True, slots=True)
class Summary:
    """How many queries there were, how many of them failed, and the files that tell."""

    queries: int
    failed: int
    run: Path
    failures: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkJob:
    """A run to rerank.

    Args:
        first_stage: the collection and the run.
        options: of the reranker.
        top_k, instruction: as for `Reranker.rank`.
        shard: queries of a shard, which is ranked by one task and written as one file.
        cluster: where it is ranked.
        output: the folder of the results.
    """

    first_stage: FirstStage
    options: RerankerOptions
    top_k: int | None = None
    instruction: str | None = None
    shard: int = SHARD
    cluster: ClusterOptions
    output: Path

    def run(
        self, *, retry: bool = False, progress: bool | None = None, verbose: bool = False
    ) -> Summary:
        """Rank what is pending, from the first shard or from where an earlier start was ended.

        Args:
            retry: rank shards anew in which queries failed.
            progress: show a progress bar; by default on a terminal.
            verbose: show what Ray and the rankers log.

        Raises:
            RerankerError: for input that cannot be read or is not that of the output, and for a
                cluster or a model that cannot be used. Shards that are finished stay so.
        """
        output = Output(self.output)
        with output.locked():
            plan = self.first_stage.plan(self.shard)
            output.manifest.agree("input", self._facts(plan))
            pending = output.pending(plan, retry=retry)
            with _bar(plan, pending, progress) as bar:
                if pending:
                    self._rank(plan, pending, output, bar, verbose=verbose)
            return Summary(len(plan.queries), output.merge(plan), output.run, output.failed)

    def _rank(
        self,
        plan: Plan,
        pending: Sequence[int],
        output: Output,
        bar: "tqdm[NoReturn]",
        *,
        verbose: bool,
    ) -> None:
        with self.cluster.connected(verbose=verbose):
            # Imports Ray, whose absence has been told by now.
            from serve.bulk.pipeline import finished

            ranker = {
                "options": _placed(self.options),
                "top_k": self.top_k,
                "instruction": self.instruction,
            }
            share = self.cluster.share(device=self.options.device)
            for shard in finished(plan, pending, ranker, share):
                output.manifest.agree("model", shard.model)
                output.write(shard.number, shard.records)
                bar.update(len(plan.places(shard.number)))

    def _facts(self, plan: Plan) -> dict[str, Any]:
        """What decides the result; of texts their digests."""
        placed = _placed(self.options)
        options = asdict(placed)
        options |= {
            "template": placed.template and _digest(placed.template.read_bytes()),
            "stored": placed.cache and placed.stored,
        }
        return {
            "reranker": __version__,
            "shard": self.shard,
            "depth": self.first_stage.depth,
            "top_k": self.top_k,
            "instruction": self.instruction and _digest(self.instruction.encode()),
            **{name: value for name, value in options.items() if name not in _FREE},
            **plan.fingerprints(),
        }


def _placed(options: RerankerOptions) -> RerankerOptions:
    """The options with paths that are the same to a worker, whose folder is another one."""
    return replace(
        options,
        model=_path(options.model),
        adapter=_path(options.adapter),
        template=options.template and options.template.absolute(),
        cache=options.cache and options.cache.absolute(),
    )


def _path(name: str | None) -> str | None:
    return str(Path(name).absolute()) if name and Path(name).exists() else name


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bar(plan: Plan, pending: Sequence[int], shown: bool | None) -> "tqdm[NoReturn]":
    left = sum(len(plan.places(number)) for number in pending)
    seen = sys.stderr.isatty()
    return tqdm(
        total=len(plan.queries),
        initial=len(plan.queries) - left,
        desc="rerank",
        unit="query",
        mininterval=0.1 if seen else _SELDOM,
        disable=not (seen if shown is None else shown),
    )
