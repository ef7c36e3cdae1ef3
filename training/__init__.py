"""Training jobs; see the training section of the README."""
