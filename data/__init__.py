"""Collections, first-stage retrievers and the embedded collection."""
