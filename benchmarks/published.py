"""The measures, proven on other people's runs: their published figures come out again.

The run files of the first stage and of published rerankers on TREC Deep Learning 2019 and 2021
are not part of this project; a folder of them has `first_stage/` and `published/`, with the
collections in `../collections`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.metrics import NDCG, evaluate
from reranker.collection import read_beir
from reranker.errors import RerankerError
from reranker.run import read_trec

TOLERANCE = 0.00051


@dataclass(frozen=True, slots=True)
class Published:
    """A run file, the nDCG@10 that its authors gave, and where."""

    collection: str
    path: str
    ndcg: float
    source: str


FIGURES = (
    Published("msmarco-dl19", "first_stage/dl19.BM25.trec.gz", 0.5058, "Pyserini"),
    Published("msmarco-dl21", "first_stage/dl21.BM25.trec.gz", 0.4458, "Pyserini"),
    Published(
        "msmarco-dl19",
        "published/dl19.BM25.top100.RankMistral100-fullrank.trec.gz",
        0.7255,
        "arXiv 2412.14574",
    ),
    Published(
        "msmarco-dl19",
        "published/dl19.BM25.top100.output_v2_aug_vicuna_7b.2023-09-13T1636.trec.gz",
        0.6682,
        "RankVicuna, arXiv 2309.15088",
    ),
)


class PublishedFigureError(RerankerError):
    """A published figure that did not come out."""


def check(folder: Path) -> Iterator[tuple[Published, float]]:
    """Score every run in `FIGURES`; yield each with the nDCG@10 found.

    Raises:
        PublishedFigureError: for one that is off by more than its rounding.
        DataError: for a file that is missing.
    """
    for figure in FIGURES:
        collection = read_beir(folder.parent / "collections" / figure.collection)
        values = evaluate(read_trec(folder / figure.path), collection.qrels)[NDCG]
        found = sum(values.values()) / len(values)
        if abs(found - figure.ndcg) > TOLERANCE:
            raise PublishedFigureError(
                f"{folder / figure.path}: {NDCG} is {found:.4f} over {len(values)} queries, "
                f"{figure.source} gives {figure.ndcg}"
            )
        yield figure, found
