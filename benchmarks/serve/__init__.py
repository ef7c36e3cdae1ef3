"""The service, raced against simpler servers."""
