from types import SimpleNamespace
from typing import Any

import pytest

from serve.autoscaling import WINDOWS, ByWindows


def context(*windows: float, queued: float | None = 0.0) -> Any:
    """What Ray tells a policy: the windows of each replica, and requests that wait for one."""
    metrics = {WINDOWS: dict(enumerate(windows))} if windows else {}
    return SimpleNamespace(aggregated_metrics=metrics, total_queued_requests=queued)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (context(), 0.0),
        (context(queued=None), 0.0),
        (context(0.0, 0.0), 0.0),
        (context(10.0), 1.0),
        (context(15.0, 25.0), 4.0),
        (context(5.0, queued=15.0), 2.0),
    ],
)
def test_as_many_replicas_as_share_the_windows(found: Any, wanted: float) -> None:
    assert ByWindows(target=10.0)(found) == (wanted, {})


def test_a_target_that_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="above 0 windows, found 0"):
        ByWindows(0)


# Ray warns of itself.
@pytest.mark.filterwarnings("ignore")
def test_rays_controller_can_carry_it_without_the_house() -> None:
    pytest.importorskip("ray")
    from ray.serve.config import AutoscalingPolicy

    policy = AutoscalingPolicy(
        policy_function="serve.autoscaling:ByWindows", policy_kwargs={"target": 4}
    )
    # By value: the class is made anew there, not looked up in a module.
    assert b"_make_skeleton_class" in (policy.get_serialized_policy_def() or b"")
    assert policy.get_policy()(**policy.policy_kwargs)(context(6.0)) == (1.5, {})
