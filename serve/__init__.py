"""The Ray Serve application: contracts, admission, the window queue, deploy configs.

Knows `reranker` alone.
"""
