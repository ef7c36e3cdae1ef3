"""Rerankers for retrieval frameworks, a thin file each, over a `Reranker` or a `Client`.

- `langchain`: a document compressor.
- `llama_index`: a node postprocessor.
- `haystack`: a ranker.
- `pyterrier`: a transformer.
- `mteb`: a search model for reranking tasks.

Each file imports its framework, and says what to install where there is none. Texts, ids and
metadata stay as they are; the caller's objects are never changed.
"""
