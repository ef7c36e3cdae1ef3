"""Callers' texts tokenised so that none of them reads as an identifier."""

from collections.abc import Callable, Sequence

from reranker.encoder import EncodedText, Encoder
from reranker.guard import Guard


class GuardedEncoder:
    """An encoder with all three walls of a guard around it."""

    def __init__(self, encoder: Encoder, guard: Guard) -> None:
        self._encoder = encoder
        self._guard = guard

    def texts(
        self,
        texts: Sequence[str],
        limit: int,
        *,
        spaced: bool,
        cut: Callable[[str], str] = str,
    ) -> list[EncodedText]:
        """Texts as at most `limit` tokens each; `spaced` ones stand after a space.

        `cut` takes out of a text what is not to be read of it.
        """
        encoded = self._encoded(texts, limit, spaced, cut, self._guard.disarm)
        read = self._encoder.decode_all([text.token_ids for text in encoded])
        for place in (place for place, text in enumerate(read) if self._guard.forges(text)):
            wholly = self._guard.disarm_wholly
            [encoded[place]] = self._encoded([texts[place]], limit, spaced, cut, wholly)
        return encoded

    def _encoded(
        self,
        texts: Sequence[str],
        limit: int,
        spaced: bool,
        cut: Callable[[str], str],
        disarm: Callable[[str], str],
    ) -> list[EncodedText]:
        def rewritten(text: str) -> str:
            return disarm(cut(text))

        encoded = self._encoder.texts(texts, limit, spaced=spaced, disarm=rewritten)
        return [EncodedText(self._guard.filter(text.token_ids), text.cut) for text in encoded]
