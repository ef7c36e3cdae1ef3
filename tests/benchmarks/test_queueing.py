import math

import pytest

from benchmarks.queueing import erlang_c, mean_wait, slow_wait


def test_one_server_is_busy_as_often_as_an_arrival_waits() -> None:
    assert erlang_c(1, 0.3) == pytest.approx(0.3)


def test_two_servers_by_hand() -> None:
    # B(1) = 1/2, B(2) = (1/2) / (2 + 1/2) = 1/5, C = (1/5) / (1 - 1/2 * 4/5) = 1/3.
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)


def test_a_hundred_thousand_servers() -> None:
    assert erlang_c(100_000, 70_000.0) == 0.0
    assert 0 < erlang_c(100_000, 99_900.0) < 1


def test_pollaczek_and_khinchine() -> None:
    # One server busy 4/5 of the time: 2 s each, all alike, 0.4 a second.
    assert mean_wait(0.4, 2.0, 1, 0.0) == pytest.approx(4.0)
    assert mean_wait(0.4, 2.0, 1, 1.0) == pytest.approx(8.0)


def test_more_than_is_read_waits_for_ever() -> None:
    for wait in (mean_wait, slow_wait):
        assert wait(1.0, 2.0, 2, 0.5) == math.inf
    assert erlang_c(2, 5.0) == 1.0


def test_the_slow_ones_of_one_server_with_exponential_times() -> None:
    # P(W > t) = 0.8 exp(-t / 10): 5 % wait longer than 10 ln 16.
    assert slow_wait(0.4, 2.0, 1, 1.0) == pytest.approx(10 * math.log(16))
    assert slow_wait(0.02, 2.0, 1, 1.0) == 0.0
