"""Autoscaling by the windows that wait: requests differ by a hundredfold in cost, windows little.

Ray carries this module to its controller by value: it imports nothing of the house.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext

WINDOWS = "windows"


class ByWindows:
    """A policy of Ray Serve: as many replicas as keep the queue of each at `target` windows.

    Bounds, delays and factors are those of the deployment's `autoscaling_config`.

    Args:
        target: windows in the queue of one replica, those of the pass at hand included.
    """

    def __init__(self, target: float = 16.0) -> None:
        if not target > 0:
            raise ValueError(f"target must be above 0 windows, found {target!r}")
        self.target = target

    def __call__(self, context: "AutoscalingContext") -> tuple[float, dict[str, Any]]:
        """The number of replicas that is wanted, and no state."""
        windows = (context.aggregated_metrics or {}).get(WINDOWS, {})
        # A request that waits for a replica is one window at least.
        waiting = sum(windows.values()) + (context.total_queued_requests or 0)
        return waiting / self.target, {}
