"""The reranker settings that a checkpoint carries, in `reranker.json` beside its weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from reranker.errors import SettingsError
from reranker.files import write_atomically
from reranker.layouts import LAYOUTS

FILE_NAME = "reranker.json"
FORMAT = 1
_MOST_WEIGHT = 1000
STRATEGIES = ("sliding", "full", "partition")
# How keys and values of passages are kept.
STORED = ("float32", "float16", "bfloat16", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a model is prompted and its windows are laid: trained in, so obeyed unless overridden.

    Lengths are in tokens; `window` and `stride` are in passages. `template` is the text of a
    prompt template in RankLLM's YAML format and, where given, replaces `layout`.
    `window_tokens=None` means the model's own context length. `absolute` reads scores off against
    the null candidate, for a model trained so: a score is then the log odds of being relevant.
    `prior` is the weight of the first stage's order, learned by `python -m training.prior`: scores
    are lowered by `prior` times the natural logarithm of a candidate's rank there, and where the
    likelihood is part of them by that for each of the query's tokens. `likelihood`,
    for layouts that ask every passage the query, is the weight of the query's log-likelihood after
    the passage, in nats (arXiv 2204.07496), which then joins its identifier's logit.
    `frozen_passages` is for an adapter that was trained to read the query alone, over passages
    read by its base: what is kept of them then serves all such adapters of that base.
    `cut_query` reads passages without the query where they repeat it word for word, which an
    attacker would have them do; a query of fewer than 3 words stays.
    """

    layout: str = "listwise"
    template: str | None = None
    identifiers: str | tuple[str, ...] = "capitals"
    strategy: str = "sliding"
    window: int = 20
    stride: int = 10
    passes: int = 1
    passage_tokens: int = 128
    query_tokens: int = 128
    window_tokens: int | None = None
    absolute: bool = False
    prior: float = 0.0
    likelihood: float = 0.0
    frozen_passages: bool = False
    cut_query: bool = False

    def __post_init__(self) -> None:
        _check_choice("layout", self.layout, tuple(LAYOUTS))
        _check_choice("strategy", self.strategy, STRATEGIES)
        if not (self.template is None or isinstance(self.template, str)):
            raise SettingsError(f"template must be YAML text, found {type(self.template).__name__}")
        if not isinstance(self.identifiers, str | tuple):
            raise SettingsError(
                "identifiers must be an alphabet's name or a list of strings, found "
                f"{self.identifiers!r}"
            )
        for name in ("window", "stride", "passes", "passage_tokens", "query_tokens"):
            _check_positive(name, getattr(self, name))
        for name in ("absolute", "frozen_passages", "cut_query"):
            _check_flag(name, getattr(self, name))
        self._check_frozen()
        _check_weight("prior", self.prior)
        _check_weight("likelihood", self.likelihood)
        if self.window_tokens is not None:
            _check_positive("window_tokens", self.window_tokens)
        if self.window < 2:
            raise SettingsError(f"window must be at least 2 passages, found {self.window}")
        if self.stride > self.window:
            raise SettingsError(
                f"stride {self.stride} is larger than window {self.window}: candidates between "
                "two windows would never be read; give a stride of at most the window"
            )

    def _check_frozen(self) -> None:
        found = "a template" if self.template else repr(self.layout)
        if self.frozen_passages and (self.template or not LAYOUTS[self.layout].keeps):
            raise SettingsError(
                "frozen_passages, which an adapter was trained with, needs a layout whose passages "
                f"do not depend on the query, 'blocks' or 'cross'; found {found}"
            )

    def override(self, **values: object) -> "Settings":
        """These settings with every value that is not None put in place.

        Raises:
            SettingsError: for a name that is no setting, or a value out of range.
        """
        return replace(self, **_checked({k: v for k, v in values.items() if v is not None}))

    def without_template(self) -> "Settings":
        """These settings with the layout in force again."""
        return replace(self, template=None)

    def write(self, folder: str | Path) -> Path:
        """Write `reranker.json` into a checkpoint's folder, whole or not at all."""
        path = Path(folder) / FILE_NAME
        write_atomically(path, json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n")
        return path

    @classmethod
    def read(cls, folder: str | Path) -> "Settings | None":
        """The settings in a checkpoint's folder, or None where it carries none.

        Raises:
            SettingsError: for a file that is not such settings.
        """
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            return None
        try:
            return cls.parse(json.loads(path.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} is not JSON ({error}); restore it or remove it") from error
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, values: object) -> "Settings":
        """Settings from what `write` wrote, as parsed JSON."""
        if not isinstance(values, Mapping):
            raise SettingsError(f"expected an object of settings, found {type(values).__name__}")
        found = dict(values)
        if (version := found.pop("format", FORMAT)) != FORMAT:
            raise SettingsError(
                f"settings of format {version!r}, this version reads format {FORMAT}; "
                "a newer version of reranker may be needed"
            )
        return cls(**_checked(found))


def _checked(values: Mapping[str, object]) -> dict[str, Any]:
    known = {field.name for field in fields(Settings)}
    if unknown := sorted(set(values) - known):
        raise SettingsError(f"unknown setting(s) {unknown}; known are {sorted(known)}")
    checked = dict(values)
    if isinstance(checked.get("identifiers"), list):
        checked["identifiers"] = tuple(checked["identifiers"])  # type: ignore[arg-type]
    return checked


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        raise SettingsError(f"unknown {name} {value!r}; known are {', '.join(known)}")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise SettingsError(f"{name} must be true or false, found {value!r}")


def _check_weight(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingsError(f"{name} must be a number, found {value!r}")
    if not 0 <= value < _MOST_WEIGHT:
        raise SettingsError(f"{name} must be from 0 to below {_MOST_WEIGHT}, found {value}")


def _check_positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingsError(f"{name} must be a whole number of at least 1, found {value!r}")
