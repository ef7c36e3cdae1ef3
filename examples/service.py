"""Ask a service (make serve): one query, then many at a time. Needs: pip install httpx."""

import asyncio
import os
import sys

from reranker import AsyncClient, Client
from reranker.errors import BusyError

QUERIES = ["who wrote Dune?", "what is a dune?"]
PASSAGES = [
    "Dunes are hills of sand that the wind has piled up.",
    "Frank Herbert wrote the novel Dune.",
    "Dune was filmed by David Lynch in 1984.",
]


def ask(address, query, **options):
    """The best passage, or None where the service has too much to do for five seconds."""
    with Client(address, timeout=5.0, **options) as client:
        try:
            return client.rank(query, PASSAGES, top_k=1)[0].text
        except BusyError as error:
            print("come again in", error.retry_after, "seconds", file=sys.stderr)
            return None


async def ask_all(address, queries, **options):
    """Each query's ranking; the service lets their windows share forward passes."""
    async with AsyncClient(address, **options) as client:
        return await asyncio.gather(*(client.rank(query, PASSAGES) for query in queries))


def main(address):
    """One, then all."""
    key = {"api_key": os.environ.get("RERANKER_API_KEY")}
    print(ask(address, QUERIES[0], **key))
    for ranking in asyncio.run(ask_all(address, QUERIES, **key)):
        print(ranking)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
