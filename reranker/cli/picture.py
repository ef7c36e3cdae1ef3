"""The picture that `reranker explain` draws of a ranking, in rich's terms.

Texts are passages of unknown origin: they enter as `Text`, which knows no markup, and as one
printable line.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reranker.cli.terminal import bar, one_line, short

if TYPE_CHECKING:
    from reranker.lockstep import ScoredWindow
    from reranker.passage import Passage
    from reranker.ranking import RankedPassage, Ranking
    from reranker.reranker import Reranker

_BAR = 8
_TEXT = 400


def picture(
    reranker: "Reranker", ranking: "Ranking", passages: Sequence["Passage"]
) -> RenderableType:
    """The ranking, its windows step by step, and what it took."""
    windows = ranking.explain().windows
    steps = [
        part
        for step, window in enumerate(windows, 1)
        for part in (_head(step, len(windows), window), _window(window, passages))
    ]
    return Group(
        Text.assemble(("query  ", "dim"), (one_line(ranking.query), "bold")),
        _ranking(ranking),
        *steps,
        _totals(ranking),
        _model(reranker),
    )


def _ranking(ranking: "Ranking") -> Table:
    """Before and after, with logits and the odds of going first that they stand for."""
    scores = [passage.score for passage in ranking]
    table = _table("after", "", "before", "logit", "", "first", "")
    for passage, height, chance in zip(ranking, _heights(scores), softmax(scores), strict=True):
        table.add_row(
            str(passage.rank),
            _moved(passage),
            str(passage.index + 1),
            f"{passage.score:.2f}",
            Text(bar(height, _BAR), style="cyan"),
            f"{chance:.0%}",
            Text(bar(chance, _BAR), style="green"),
            _label(passage.passage),
        )
    return table


def _window(window: "ScoredWindow", passages: Sequence["Passage"]) -> Table:
    """One window's passages in the order they were read in, each with its logit."""
    table = _table("", "before", "logit", "", "first", "", "")
    shares = zip(_heights(window.logits), softmax(window.logits), strict=True)
    for slot, (height, chance) in enumerate(shares):
        place = window.candidates[slot]
        table.add_row(
            Text(f"[{window.prompt.identifiers[slot]}]", style="bold"),
            str(place + 1),
            f"{window.logits[slot]:.2f}",
            Text(bar(height, _BAR), style="cyan"),
            f"{chance:.0%}",
            Text(bar(chance, _BAR), style="green"),
            Text("cut" if slot in window.prompt.cut else "", style="yellow"),
            _label(passages[place]),
        )
    return table


def _table(*headings: str) -> Table:
    """Narrow columns, and the passage in what is left of the line."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=True)
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right" if heading else "left")
    table.add_column("passage", no_wrap=True, overflow="ellipsis", ratio=1)
    return table


def _head(step: int, of: int, window: "ScoredWindow") -> Text:
    cut = f", {len(window.prompt.cut)} cut" if window.prompt.cut else ""
    return Text.assemble(
        (f"window {step} of {of}", "bold"),
        f"  {_count(len(window.candidates), 'passage')}{cut}, {len(window.prompt)} tokens, "
        f"{window.milliseconds:.0f} ms",
    )


def _totals(ranking: "Ranking") -> Text:
    told = ranking.explain()
    cut = _count(len(told.cut), "passage") + " cut" + (", the query too" if told.query_cut else "")
    total = f"{_count(told.candidates, 'candidate')}, {_count(len(told.windows), 'window')}"
    return _fact("in all", f"{total}, {told.tokens} tokens, {told.milliseconds:.0f} ms, {cut}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _model(reranker: "Reranker") -> Text:
    values = {name: value for name, value in asdict(reranker.settings).items() if value is not None}
    if "template" in values:
        values["template"] = "given"
        del values["layout"]
    settings = ", ".join(f"{name}={value}" for name, value in values.items())
    where = f"{one_line(reranker.name)} on {reranker.engine.device}"
    return Text("\n").join([_fact("model", where), _fact("settings", one_line(settings))])


def _fact(name: str, value: str) -> Text:
    return Text.assemble((f"{name}  ", "dim"), value)


def _moved(passage: "RankedPassage") -> Text:
    gain = passage.index + 1 - passage.rank
    if gain == 0:
        return Text("=", style="dim")
    return Text(f"▲{gain}", style="green") if gain > 0 else Text(f"▼{-gain}", style="red")


def _label(passage: "Passage") -> Text:
    title = f"{passage.title}: " if passage.title else ""
    label = Text(short(title + passage.text, _TEXT))
    if passage.id is not None:
        label = Text.assemble((f"{short(passage.id, 24)} ", "dim"), label)
    return label


def _heights(logits: Sequence[float]) -> list[float]:
    """Logits as shares of the way from the lowest to the highest; all 1 where they are equal."""
    low, high = min(logits, default=0.0), max(logits, default=0.0)
    return [(logit - low) / (high - low) if high > low else 1.0 for logit in logits]


def softmax(logits: Sequence[float]) -> list[float]:
    """Each one's probability of going first (Plackett and Luce), `(passages,)`."""
    highest = max(logits, default=0.0)
    powers = [math.exp(logit - highest) for logit in logits]
    return [power / sum(powers) for power in powers]
