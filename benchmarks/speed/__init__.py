"""One forward pass against the other ways to rank."""
