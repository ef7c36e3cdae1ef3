"""A training step raced against the usual one."""
