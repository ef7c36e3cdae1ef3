"""Any of the first stages, then the service, which `make serve` starts: pip install httpx."""

import os
import sys

import httpx
from passages import PASSAGES, QUERY
from sqlite_fts5 import Index


def rerank(query, candidates, *, address, top=10):
    """The best candidates, each with its score, by Cohere's contract."""
    answer = httpx.post(
        f"{address}/v2/rerank",
        headers={"authorization": f"Bearer {os.environ.get('RERANKER_API_KEY', 'none')}"},
        json={
            "model": "default",
            "query": query,
            "documents": [each["text"] for each in candidates],
            "top_n": top,
        },
        timeout=60,
    )
    answer.raise_for_status()
    results = answer.json()["results"]
    return [(candidates[each["index"]], each["relevance_score"]) for each in results]


def main(address):
    """Search, rerank, show."""
    candidates = Index(PASSAGES).search(QUERY)
    for passage, score in rerank(QUERY, candidates, address=address):
        print(f"{score:.3f}", passage["id"], passage["text"])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
