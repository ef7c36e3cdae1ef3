"""Objectives side by side."""
