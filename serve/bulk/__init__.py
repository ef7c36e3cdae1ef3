"""`python -m serve.bulk`: a TREC run of any size, reranked over a Ray cluster and resumable."""
