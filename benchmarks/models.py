"""This project's rerankers, made ready for a benchmark."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.reranking import MeasuredReranker
from benchmarks.work import digest
from reranker.settings import Settings

if TYPE_CHECKING:
    from reranker.checkpoint import Checkpoint

DEFAULT = "default"
_SAMPLED = 64


def measured_rerankers(
    models: Sequence[str],
    strategies: Sequence[str],
    overrides: Mapping[str, object],
    *,
    dtype: str | None = None,
    device: str | None = None,
) -> list[MeasuredReranker]:
    """Each model under each strategy; a model is loaded once.

    "default" is the embedded model with its adapter; no strategy is the checkpoint's own.
    `overrides` are settings put in place of the checkpoints'.
    """
    found: list[MeasuredReranker] = []
    for name in models:
        from reranker import Reranker, load

        checkpoint = load(None if name == DEFAULT else name, dtype=dtype, device=device)
        told = {"model": checkpoint.name, **_weights(checkpoint)}
        base = Reranker(checkpoint, **overrides)  # type: ignore[arg-type]
        for strategy in strategies or (base.settings.strategy,):
            label = Path(name).name + (f" {strategy}" if len(strategies) > 1 else "")
            reranker = base.with_settings(strategy=strategy)
            settings = {**told, **_plain(reranker.settings)}
            found.append(MeasuredReranker(label, settings, reranker))
    return found


def _plain(settings: Settings) -> dict[str, object]:
    """The settings, a template by its digest."""
    found = asdict(settings)
    template = found.pop("template")
    return found | ({"template": digest(template)} if template else {})


def _weights(checkpoint: "Checkpoint") -> dict[str, object]:
    """Type, device and a fingerprint of the weights: a checkpoint trained anew is another one."""
    parameters = list(checkpoint.model.named_parameters())
    first = parameters[0][1]
    return {
        "weights": _fingerprint(
            (name, parameter.detach().flatten()[:_SAMPLED].float().cpu().numpy().tobytes())
            for name, parameter in parameters
        ),
        "dtype": str(first.dtype).removeprefix("torch."),
        "device": first.device.type,
    }


def _fingerprint(samples: Iterable[tuple[str, bytes]]) -> str:
    """A digest of the first values of every parameter."""
    found = hashlib.sha256()
    for name, values in samples:
        found.update(name.encode() + values)
    return found.hexdigest()[:12]
