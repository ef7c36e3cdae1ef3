"""The runs of docs/study.md, its tables and plots."""
