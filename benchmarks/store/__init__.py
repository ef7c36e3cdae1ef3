"""A store of a hundred thousand passages."""
