"""`python -m reranker.cli`."""

from reranker.cli import main

main()
