"""What else the same backbone can rank by."""
