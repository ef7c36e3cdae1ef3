"""Listwise LLM reranking with single-token decoding."""
