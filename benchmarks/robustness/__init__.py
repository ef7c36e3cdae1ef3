"""What a ranking depends on that it should not."""
