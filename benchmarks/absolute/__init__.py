"""Whether scores of separate requests compare."""
