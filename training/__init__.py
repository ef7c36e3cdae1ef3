"""Jobs that make a model: objectives, listwise datasets, the trainer, recipes.

Knows `reranker` and `data`, and neither `serve` nor `benchmarks`.
"""
