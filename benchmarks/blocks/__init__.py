"""Layouts that read passages apart: latency and bytes."""
