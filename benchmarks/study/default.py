"""Which default a part of the study is of: its print, and where results tell it."""

from collections.abc import Mapping
from typing import Any

from benchmarks.work import digest
from reranker.cache import sha256_of
from reranker.embedded import shipped_adapter

KEY = "default"
PRINTED = ("adapter_model.safetensors", "reranker.json")


def default_print() -> str:
    """What tells the default that ships, its weights and settings, from any other."""
    folder = shipped_adapter()
    return digest([sha256_of(folder / name) for name in PRINTED] if folder else [])


def of_the_default(result: Mapping[str, Any]) -> bool:
    """Whether results are of the default that ships."""
    return bool(result.get(KEY) == default_print())


def signed(result: Mapping[str, Any]) -> dict[str, Any]:
    """The results, saying that they are of the default that ships."""
    return {**result, KEY: default_print()}
