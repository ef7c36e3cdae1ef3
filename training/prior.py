"""The prior: how much the first stage's order weighs beside the model's scores.

A model that ranks worse than its first stage on some kind of text still ranks differently, and a
little of the first stage's order helps both: `python -m training.prior FOLDER` finds the weight
by the dev sets of the recipe in a trained folder and writes it into the folder's settings.
Whoever ranks turns it off with `prior=0`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data.measures import ndcg
from reranker.cli.terminal import run_app
from reranker.lockstep import lowered
from reranker.strategies import ranked
from training.dev import DevQuery, DevSet, dev_sets
from training.recipe import FILE_NAME, Recipe

if TYPE_CHECKING:
    from reranker.reranker import Reranker

# The least are for scores with a likelihood, where they count for each of the query's tokens.
WEIGHTS = (0.0, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@dataclass(frozen=True, slots=True)
class Scored:
    """A dev query and the model's score of each candidate, in first-stage order.

    `unit` is what the first stage's order weighs for this query by a prior of 1.
    """

    query: DevQuery
    scores: tuple[float, ...]
    unit: float = 1.0

    def ndcg(self, weight: float) -> float:
        """nDCG@10 of the candidates, each score lowered by `weight` times its rank's logarithm."""
        candidates = range(len(self.scores))
        order = ranked(candidates, lowered(self.scores, tuple(candidates), weight * self.unit))
        return ndcg([self.query.grades[place] for place in order], self.query.judged)


def means(sets: Sequence[Sequence[Scored]], weights: Sequence[float]) -> Mapping[float, float]:
    """The nDCG@10 of every weight: the mean over dev sets of the mean over their queries."""
    return {
        weight: fmean(fmean(scored.ndcg(weight) for scored in queries) for queries in sets)
        for weight in weights
    }


def learned(found: Mapping[float, float]) -> float:
    """The weight with the highest mean; the least of those that share it."""
    return min(found, key=lambda weight: (-found[weight], weight))


def score(reranker: "Reranker", dev: DevSet) -> Iterator[Scored]:
    """Rank the queries of a dev set by the model alone.

    The scores are those of whole rankings, so that with sliding windows what a weight would change
    of the windows themselves is left out.
    """
    texts = [query.text for query in dev.queries]
    weighing = reranker.with_settings(prior=1)
    rankings = reranker.rank_many(texts, [query.passages for query in dev.queries])
    for query, ranking in zip(dev.queries, rankings, strict=True):
        by_place = {passage.index: passage.score for passage in ranking}
        scores = tuple(by_place[place] for place in range(len(query.passages)))
        unit = weighing.job(weighing.encode(query.text, ())).prior
        yield Scored(query, scores, unit)


@app.command()
def prior(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What a training run wrote.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[key=value]...", help="In place of its recipe's, as dev=[…]."),
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    write: Annotated[bool, typer.Option(help="Write the weight into the settings.")] = True,
) -> None:
    """Learn how much the first stage's order weighs, on the dev sets of a trained folder."""
    from reranker.reranker import Reranker

    recipe = Recipe.read(folder / FILE_NAME, overrides or ())
    sets = dev_sets(recipe)
    if not sets:
        raise typer.BadParameter("the recipe has no dev set; give one, as dev='[{name: …}]'")
    reranker = Reranker(folder, dtype=dtype, prior=0)
    found = means([list(score(reranker, dev)) for dev in sets], WEIGHTS)
    best = learned(found)
    _show(found, best)
    if write:
        path = reranker.settings.override(prior=best).write(folder)
        console.print(f"prior {best} is written to {escape(str(path))}")


def _show(found: Mapping[float, float], best: float) -> None:
    table = Table("prior", "nDCG@10", "")
    for weight, mean in found.items():
        table.add_row(f"{weight:g}", f"{mean:.4f}", "best" if weight == best else "")
    console.print(table)


if __name__ == "__main__":
    run_app(app)
