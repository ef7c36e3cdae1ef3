"""The watch: what workers had in hand when they died, so that one query ends no others."""


class Watch:
    """An actor of Ray's that every ranker tells what it begins.

    A shard whose worker died is ranked a query at a time, and a query with which the worker died
    again is left out: without that Ray would give it to one worker after the other, for ever.
    """

    def __init__(self) -> None:
        self._left_out: dict[int, set[str]] = {}
        self._in_hand: dict[int, str] = {}

    def begin(self, shard: int) -> set[str] | None:
        """None at the first time; after a death the queries of the shard that are left out."""
        if shard not in self._left_out:
            self._left_out[shard] = set()
            return None
        if shard in self._in_hand:
            self._left_out[shard].add(self._in_hand.pop(shard))
        return self._left_out[shard]

    def take(self, shard: int, query: str) -> None:
        """A query of the shard is ranked by itself from now on."""
        self._in_hand[shard] = query

    def end(self, shard: int) -> None:
        """All queries of the shard have been ranked."""
        self._in_hand.pop(shard, None)
