"""Synthetic queries: a language model asks what the passages of an unjudged corpus answer."""
