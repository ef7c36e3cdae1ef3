"""The same reranker without its defence, to measure what the defence is worth.

- Texts are tokenised as the tokenizer stands, so that control tokens in them are obeyed.
- Nothing in them is rewritten or dropped: no imitated identifier, and no line break.
- What remains is the layout: passages that are read apart stay apart.
"""

from collections.abc import Callable, Sequence

from benchmarks.reranking import MeasuredReranker
from reranker.encoder import EncodedText, Encoder
from reranker.prompter import Prompter
from reranker.reranker import Reranker
from reranker.settings import Settings


class Undefended(Reranker):
    """A reranker over another one's model that reads texts as they stand."""

    def __init__(self, defended: Reranker) -> None:
        self.name, self._context = defended.name, defended._context
        self._encoder, self._engine = defended._encoder, defended.engine
        self._set(defended.settings)
        self._prompter = OpenPrompter(self._encoder, self.settings, self._context)


class OpenPrompter(Prompter):
    """A prompter whose texts come as the tokenizer gives them."""

    def __init__(self, encoder: Encoder, settings: Settings, context_tokens: int) -> None:
        super().__init__(encoder, settings, context_tokens)
        self._tokenizer = encoder.tokenizer
        self._texts = self._as_they_stand

    def _as_they_stand(
        self,
        texts: Sequence[str],
        limit: int,
        *,
        spaced: bool = False,
        cut: Callable[[str], str] = str,
    ) -> list[EncodedText]:
        del cut
        put = [" " + text if spaced and text else text for text in texts]
        rows = self._tokenizer(put, add_special_tokens=False)["input_ids"]
        return [EncodedText(tuple(row[:limit]), len(row) > limit) for row in rows]


def undefended(measured: MeasuredReranker) -> MeasuredReranker:
    """A reranker of this project without its defence, over the same loaded model."""
    assert isinstance(measured.ranker, Reranker), "only this project's rerankers have a defence"
    settings = {**measured.settings, "defence": "none"}
    return MeasuredReranker(f"{measured.label} undefended", settings, Undefended(measured.ranker))
