"""What a retriever finds once the reranker has moved its queries."""
