"""What a recipe trains with: a ranking loss, a language-modelling loss, or the sum of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from reranker.errors import InputError, SettingsError
from training.objectives.absolute import absolute_relevance
from training.objectives.joint import FIRST_WEIGHT, joint
from training.objectives.registry import (
    LANGUAGE_LOSSES,
    RANKING_LOSSES,
    LanguageLoss,
    RankingLoss,
    language_loss,
    ranking_loss,
)
from training.objectives.rows import check_positive

JOINT = "joint"

_FIRST: Mapping[str, Any] = {
    "ranking": "weighted_ranknet",
    "language": "language_modelling",
    "weight": FIRST_WEIGHT,
}


@dataclass(frozen=True, slots=True)
class PassageScores:
    """What ranking losses read, each `(batch, passages)`: scores, labels, and a bool mask."""

    scores: Tensor
    labels: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True)
class TokenLogits:
    """What language-modelling losses read: logits `(batch, tokens, vocabulary)`, and the
    `(batch, tokens)` target ids, bool mask, and ranks (0 for separators) of the same tokens.
    """

    logits: Tensor
    targets: Tensor
    mask: Tensor
    ranks: Tensor


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss by its recipe; `weight` is the ranking loss's beside the language-modelling loss.

    `absolute` is the weight of `absolute_relevance`, added to whatever else there is.

    Whoever computes the forward pass asks `ranking is not None` and `language is not None`, and
    spares the logits that nobody reads.
    """

    name: str
    ranking: RankingLoss | None = None
    language: LanguageLoss | None = None
    weight: float = FIRST_WEIGHT
    absolute: float = 0.0

    def __call__(
        self, passages: PassageScores | None = None, tokens: TokenLogits | None = None
    ) -> Tensor:
        """The loss, a scalar.

        Raises:
            InputError: where passages or tokens are missing that a loss reads.
        """
        ranking, language = self._ranking(passages), self._language(tokens)
        if ranking is not None and language is not None:
            return self._with_absolute(joint(language, ranking, weight=self.weight), passages)
        loss = language if ranking is None else ranking
        assert loss is not None, "an objective holds at least one loss"
        return self._with_absolute(loss, passages)

    def _with_absolute(self, loss: Tensor, passages: PassageScores | None) -> Tensor:
        if not self.absolute:
            return loss
        if passages is None:
            raise InputError("absolute relevance reads the passages' scores; none were given")
        term = absolute_relevance(passages.scores, passages.labels, passages.mask)
        return loss + self.absolute * term

    def _ranking(self, passages: PassageScores | None) -> Tensor | None:
        if self.ranking is None:
            return None
        if passages is None:
            raise InputError(f"objective {self.name!r} reads the passages' scores; none were given")
        return self.ranking(passages.scores, passages.labels, passages.mask)

    def _language(self, tokens: TokenLogits | None) -> Tensor | None:
        if self.language is None:
            return None
        if tokens is None:
            raise InputError(f"objective {self.name!r} reads token logits; none were given")
        return self.language(tokens.logits, tokens.targets, tokens.mask, tokens.ranks)

    @classmethod
    def parse(cls, recipe: object) -> "Objective":
        """An objective from what a recipe says: a name, or a mapping of `name` and parameters.

        `weighted_ranknet`, `{name: lambdarank, k: 10}`, or `{name: joint, ranking: …, language: …,
        weight: 10}`, where `ranking` and `language` are again a name or a mapping; FIRST's are
        what `joint` takes where they are left out.

        Raises:
            SettingsError: for unknown names or parameters, or values out of range.
        """
        name, parameters = _name_and_parameters(recipe)
        if name == JOINT:
            return cls._joint(parameters)
        if name in LANGUAGE_LOSSES:
            return cls(name, language=language_loss(name, **parameters))
        if name not in RANKING_LOSSES:
            known = sorted({*RANKING_LOSSES, *LANGUAGE_LOSSES, JOINT})
            raise SettingsError(f"unknown objective {name!r}; known are {known}")
        return cls(name, ranking=ranking_loss(name, **parameters))

    @classmethod
    def _joint(cls, parameters: Mapping[str, Any]) -> "Objective":
        parts = {**_FIRST, **parameters}
        if unknown := sorted(set(parts) - set(_FIRST)):
            raise SettingsError(
                f"objective 'joint' has no parameter(s) {unknown}; it takes {sorted(_FIRST)}"
            )
        check_positive("weight", parts["weight"])
        ranked, ranking = _name_and_parameters(parts["ranking"])
        written, language = _name_and_parameters(parts["language"])
        return cls(
            JOINT,
            ranking_loss(ranked, **ranking),
            language_loss(written, **language),
            parts["weight"],
        )


def _name_and_parameters(recipe: object) -> tuple[str, dict[str, object]]:
    if isinstance(recipe, str):
        return recipe, {}
    if isinstance(recipe, Mapping) and isinstance(name := recipe.get("name"), str):
        return name, {str(key): value for key, value in recipe.items() if key != "name"}
    raise SettingsError(
        f"an objective must be a name or a mapping with 'name', found {recipe!r}; "
        "such as: weighted_ranknet, or {name: lambdarank, k: 10}"
    )
