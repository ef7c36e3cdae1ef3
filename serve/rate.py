"""The engine's speed, as measured."""

_KEPT = 0.9


class Rate:
    """Tokens a second, over the last passes: each weighs nine tenths of the one after it."""

    def __init__(self) -> None:
        self._tokens = self._seconds = 0.0
        self.tokens_per_second: float | None = None

    def add(self, tokens: int, seconds: float) -> None:
        """Take in one pass."""
        self._tokens = _KEPT * self._tokens + tokens
        self._seconds = _KEPT * self._seconds + seconds
        if self._seconds > 0:
            self.tokens_per_second = self._tokens / self._seconds

    def seconds(self, tokens: int) -> float | None:
        """How long so many tokens take; None before anything was measured."""
        speed = self.tokens_per_second
        return tokens / speed if speed else None
