"""What work takes: wall time, processor time and, on a GPU that tells it, energy.

Processor time is the process's, over all its cores: times a core's watts it is the processor's
energy, which is not measured. A GPU's energy is its whole board's, idle draw included, as NVML
counts it.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

Found = TypeVar("Found")
_MILLI = 1e-3


@dataclass(frozen=True, slots=True)
class Effort:
    """Wall seconds, processor seconds and the GPU's joules, None where nothing tells them."""

    seconds: float
    cpu_seconds: float
    joules: float | None = None


class Meter:
    """Measures work whose results lie on the CPU when it returns."""

    def __init__(self, device: "torch.device") -> None:
        self._joules = gpu_joules(device)

    def measure(self, work: Callable[[], Found]) -> tuple[Found, Effort]:
        """Do the work; what it returns, and what it took."""
        before = self._read()
        found = work()
        after = self._read()
        wall, processor, *energy = (b - a for a, b in zip(before, after, strict=True))
        return found, Effort(wall, processor, *energy)

    def _read(self) -> list[float]:
        energy = [] if self._joules is None else [self._joules()]
        return [time.perf_counter(), time.process_time(), *energy]


def gpu_joules(device: "torch.device") -> Callable[[], float] | None:
    """What reads how many joules a GPU has used so far; None for a CPU, or without pynvml."""
    if device.type != "cuda":
        return None
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    import torch

    try:
        nvml.nvmlInit()
        # NVML numbers all GPUs of a machine, torch those that the process may see.
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:
        return None
    return lambda: _MILLI * nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
