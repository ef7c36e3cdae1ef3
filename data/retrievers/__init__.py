"""First-stage retrievers, and their names: `data.retrievers.registry`."""
