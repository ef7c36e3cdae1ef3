"""Waiting in a queue: M/G/c, Poisson arrivals at so many servers with one queue before them.

`rate` is arrivals a second, `held` the seconds that one holds a server on average, `variation` the
variance of these over their squared mean: 0 for all alike, 1 for an exponential.
"""

import math


def erlang_c(servers: int, offered: float) -> float:
    """The probability that an arrival waits, where so many servers are offered so much work.

    By Erlang's recursion for B, which stays within 0 and 1 for any number of servers.
    """
    if offered >= servers:
        return 1.0
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
        # Far beyond what is offered nothing changes any more.
        if count > offered and blocked < 1e-12:
            return 0.0
    return blocked / (1 - offered / servers * (1 - blocked))


def mean_wait(rate: float, held: float, servers: int, variation: float) -> float:
    """Seconds in the queue, on average: infinite where more comes than is read.

    Allen and Cunneen's approximation of M/G/c; for one server it is Pollaczek and Khinchine's.
    """
    offered = rate * held
    if offered >= servers:
        return math.inf
    exponential = erlang_c(servers, offered) * held / (servers - offered)
    return exponential * (1 + variation) / 2


def slow_wait(
    rate: float, held: float, servers: int, variation: float, share: float = 0.95
) -> float:
    """The wait that a share of queries stays below, in seconds; waits fall off exponentially."""
    offered = rate * held
    if offered >= servers:
        return math.inf
    waits = erlang_c(servers, offered)
    if waits <= 1 - share:
        return 0.0
    slope = held / (servers - offered) * (1 + variation) / 2
    return slope * math.log(waits / (1 - share))
