"""This project's rerankers, made ready for a benchmark."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import product
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
    memory: int = 0,
    stored: Sequence[str] = (),
    variants: Mapping[str, Mapping[str, object]] | None = None,
) -> list[MeasuredReranker]:
    """Each model under each strategy or variant, loaded once for each way to keep passages.

    Args:
        models: names; "default" is the embedded model with its adapter.
        strategies: the checkpoint's own where there are none.
        overrides: settings in place of the checkpoints'.
        dtype, device: as for `reranker.load`.
        memory: bytes of each passage cache.
        stored: how passages are kept, for layouts that keep any; none are where this is empty.
        variants: further settings by label, in place of strategies.

    Raises:
        SettingsError: for a layout whose passages cannot be kept.
    """
    found: list[MeasuredReranker] = []
    for name, kept in product(models, stored or (None,)):
        from reranker import Reranker, load
        from reranker.passage_cache import PassageCache

        checkpoint = load(None if name == DEFAULT else name, dtype=dtype, device=device)
        told = {"model": checkpoint.name, **weights(checkpoint)}
        cache = None if kept is None else PassageCache(memory, stored=kept)
        base = Reranker(checkpoint, cache=cache, **overrides)  # type: ignore[arg-type]
        for words, chosen in (variants or _by_strategy(strategies)).items():
            label = _label(name, words, len(stored) > 1 and kept)
            reranker = base.with_settings(**chosen)
            # What is kept in a smaller type gives other scores.
            settings = {**told, **_plain(reranker.settings), **({"stored": kept} if kept else {})}
            found.append(MeasuredReranker(label, settings, reranker))
    return found


def _by_strategy(strategies: Sequence[str]) -> dict[str, Mapping[str, object]]:
    """Strategies as variants; a single one, or the checkpoint's own, needs no label."""
    label = len(strategies) > 1
    return {each if label else "": {"strategy": each} for each in strategies} or {"": {}}


def _label(name: str, *more: object) -> str:
    return " ".join([Path(name).name, *(str(word) for word in more if word)])


def _plain(settings: Settings) -> dict[str, object]:
    """The settings, a template by its digest."""
    found = asdict(settings)
    template = found.pop("template")
    return found | ({"template": digest(template)} if template else {})


def weights(checkpoint: "Checkpoint") -> dict[str, object]:
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
