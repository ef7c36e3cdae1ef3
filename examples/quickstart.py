"""Rank passages for a query, see how the order came about, then many queries at once."""

from reranker import Reranker

QUERY = "who wrote Dune?"
PASSAGES = [
    "Dunes are hills of sand that the wind has piled up.",
    {"id": "novel", "title": "Dune", "text": "A novel by Frank Herbert, published in 1965."},
    {"id": "film", "text": "Dune was filmed by David Lynch in 1984."},
]
OTHERS = ["what is a dune?", "who directed Dune?"]


def main(reranker):
    """Rank, explain, rank many."""
    ranking = reranker.rank(QUERY, PASSAGES)
    for passage in ranking:
        print(passage.rank, passage.id, f"{passage.score:.2f}", passage.text)
    print(ranking.explain())
    # Windows of all queries share forward passes.
    for query, found in zip(OTHERS, reranker.rank_many(OTHERS, [PASSAGES] * 2), strict=True):
        print(query, "→", found[0].text)


if __name__ == "__main__":
    main(Reranker())
