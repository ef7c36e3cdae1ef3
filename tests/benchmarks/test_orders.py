import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from benchmarks.orders import ORDERS, arranged, kendall_tau, sensitivity
from reranker.run import Run

IDS = [str(number) for number in range(20)]


def test_every_order_is_a_permutation_and_the_same_each_time() -> None:
    found = {order: arranged(IDS, order, "q") for order in ORDERS}
    assert found["first-stage"] == IDS
    assert found["reversed"] == IDS[::-1]
    assert all(sorted(ids) == sorted(IDS) for ids in found.values())
    assert len({tuple(ids) for ids in found.values()}) == len(ORDERS)
    assert found == {order: arranged(IDS, order, "q") for order in ORDERS}
    assert arranged(IDS, "shuffled-1", "other") != found["shuffled-1"]


@given(st.permutations(range(8)))
def test_tau_is_that_of_scipy(order: list[int]) -> None:
    ids = [str(number) for number in order]
    assert kendall_tau(IDS[:8], ids) == pytest.approx(kendalltau(range(8), order).statistic)


def test_tau_at_its_ends() -> None:
    assert kendall_tau(IDS, IDS) == 1
    assert kendall_tau(IDS, IDS[::-1]) == -1
    assert kendall_tau(["a"], ["a"]) == kendall_tau([], []) == 1


def test_sensitivity_by_hand() -> None:
    one, two = [("a", 2.0), ("b", 1.0), ("c", 0.0)], [("b", 2.0), ("a", 1.0), ("c", 0.0)]
    runs = {
        "first-stage": Run("x", {"q": one, "r": one, "single": [("a", 1.0)]}),
        "reversed": Run("x", {"q": two, "r": one, "single": [("a", 1.0)]}),
    }
    ndcg = {"first-stage": {"q": 1.0, "r": 0.5}, "reversed": {"q": 0.4, "r": 0.7}}
    found = sensitivity(runs, ndcg)
    assert found.means == pytest.approx({"first-stage": 0.75, "reversed": 0.55})
    assert found.mean == pytest.approx(0.65)
    assert found.deviation == pytest.approx(0.2 / 2**0.5)
    assert found.spread == pytest.approx(0.2)
    assert found.query_spread == pytest.approx((0.6 + 0.2) / 2)
    # One of three pairs is turned in q, none in r.
    assert found.tau == pytest.approx((1 / 3 + 1) / 2)
