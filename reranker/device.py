"""Where a model runs, and in which floating-point type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reranker.errors import SettingsError

if TYPE_CHECKING:
    import torch

DTYPES = {
    "float32": ("float32", "fp32", "float"),
    "float16": ("float16", "fp16", "half"),
    "bfloat16": ("bfloat16", "bf16"),
}
AUTO = (None, "auto")


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The device asked for, or else the first of CUDA, MPS and CPU that is here.

    Raises:
        SettingsError: for a device that is unknown or not on this machine.
    """
    import torch

    present = _present()
    if device in AUTO:
        return torch.device(present[0].partition(":")[0])
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise SettingsError(
            f"unknown device {device!r}; devices here: {', '.join(present)}"
        ) from error
    if not _is_here(chosen, present):
        raise SettingsError(
            f"device {str(chosen)!r} is not on this machine; devices here: {', '.join(present)}. "
            "Choose one of them, or leave the device out"
        )
    return chosen


def _present() -> list[str]:
    import torch

    cuda = [f"cuda:{place}" for place in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def _is_here(device: torch.device, present: list[str]) -> bool:
    if device.type == "cuda" and device.index is not None:
        return str(device) in present
    return any(name.partition(":")[0] == device.type for name in present)


def choose_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """The floating-point type asked for, or else the one that suits the device.

    CPUs compute float32 fastest. Most models are published in bfloat16, whose range float16 can
    overflow, so float16 is the choice only where bfloat16 has no hardware (CUDA before Ampere)
    or no support (MPS before macOS 14).

    Raises:
        SettingsError: for a type that no model is run in here.
    """
    import torch

    if dtype in AUTO:
        return _suited(device)
    wanted = str(dtype).removeprefix("torch.").lower()
    for name, spellings in DTYPES.items():
        if wanted in spellings:
            return getattr(torch, name)  # type: ignore[no-any-return]
    raise SettingsError(
        f"unknown dtype {dtype!r}; expected one of {', '.join(DTYPES)} (or fp32, fp16, bf16)"
    )


def _suited(device: torch.device) -> torch.dtype:
    import torch

    match device.type:
        case "cuda":
            brain = torch.cuda.is_bf16_supported(including_emulation=False)
        case "mps":
            brain = torch.backends.mps.is_macos_or_newer(14, 0)
        case _:
            return torch.float32
    return torch.bfloat16 if brain else torch.float16
