"""The first token against permutations that are generated."""
