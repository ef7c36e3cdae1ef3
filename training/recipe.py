"""Recipes: all that decides what a run makes, read from YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from reranker.errors import SettingsError
from reranker.settings import Settings
from training.fields import build
from training.ingredients import Data, Dev, Lengths, Lora, check_least
from training.objectives import Objective
from training.window import Sizes

FILE_NAME = "recipe.yaml"
SCHEDULES = ("constant", "constant_with_warmup", "cosine", "linear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained.

    Paths of `data` and `dev` rows, and of first-stage runs, are relative to `data_folder`. A step
    reads `batch` windows over all devices, in passes of at most `pass_tokens` tokens a device.
    `window` is how many passages a window has, `passage_tokens` where they are cut: both drawn
    anew for every window, their most growing over `growth` windows. `identifiers` is how many
    identifiers a window's are drawn from; None is all that the tokenizer has. `queries` is the
    most queries of one window, for rows that hold several over the same passages. `lora: null`
    trains every weight. `neftune` is the noise's alpha (arXiv 2310.05914), 0 for none.
    `absolute` is the weight of a loss that makes scores absolute, against a null candidate (see
    `training.objectives.absolute`); 0 for none. `decoys` is the share of windows in which a passage
    that does not answer repeats a query (see `training.decoys`). `likelihood_dropout` is the share
    of windows scored by the identifiers' logits alone, where the query's likelihood is part of the
    scores: so that the identifiers learn to rank where the likelihood could do it by itself.
    `reference_kl` is the weight of a loss that keeps that likelihood near to what the first weights
    make of it (see `training.reference`); 0 for none.
    `fsdp` cuts the model up over the processes of the run. Of `reranker`, the settings that the
    result carries, what is not given is as in `Settings`, but for the layout (`suffix`) and
    `passage_tokens` (the most that is trained).

    Raises:
        SettingsError: for values out of range.
    """

    data: tuple[Data, ...]
    data_folder: str = "."
    dev: tuple[Dev, ...] = ()
    model: str = "embedded"
    objective: str | Mapping[str, Any] = "softmax_cross_entropy"
    absolute: float = 0.0
    reranker: Mapping[str, Any] = field(default_factory=dict)
    window: Sizes = field(default_factory=Sizes)
    passage_tokens: Lengths = field(default_factory=Lengths)
    identifiers: int | None = None
    queries: int = 1
    decoys: float = 0.0
    likelihood_dropout: float = 0.0
    reference_kl: float = 0.0
    lora: Lora | None = field(default_factory=Lora)
    neftune: float = 0.0
    gradient_checkpointing: bool = False
    fsdp: bool = False
    dtype: str | None = None
    device: str | None = None
    seed: int = 0
    steps: int = 1000
    batch: int = 16
    pass_tokens: int = 16384
    learning_rate: float = 3e-4
    schedule: str = "cosine"
    warmup: int = 0
    weight_decay: float = 0.0
    clip: float = 1.0
    log_every: int = 10
    save_every: int = 200
    evaluate_every: int = 200
    workers: int = 0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if not self.data:
            raise SettingsError("data must name at least one file of rows or collection")
        check_least(0, warmup=self.warmup, seed=self.seed, workers=self.workers)
        check_least(
            1,
            queries=self.queries,
            steps=self.steps,
            batch=self.batch,
            pass_tokens=self.pass_tokens,
        )
        check_least(1, log_every=self.log_every, save_every=self.save_every)
        check_least(1, evaluate_every=self.evaluate_every)
        self._check_amounts()
        self._check_likelihood()
        if self.schedule not in SCHEDULES:
            raise SettingsError(f"unknown schedule {self.schedule!r}; known are {SCHEDULES}")
        if self.identifiers is not None and self.identifiers < self.window.most:
            raise SettingsError(
                f"identifiers must be at least window.most ({self.window.most}), found "
                f"{self.identifiers}"
            )
        if len({dev.name for dev in self.dev}) < len(self.dev):
            raise SettingsError("two dev sets have the same name; give each its own")
        self.parsed_objective()
        if self.settings().frozen_passages and self.lora is None:
            raise SettingsError(
                "frozen_passages trains an adapter and leaves the base as it is, found lora: null; "
                "give lora, or set frozen_passages: false"
            )

    def _check_amounts(self) -> None:
        for name in ("neftune", "weight_decay", "clip", "absolute", "reference_kl"):
            if not 0 <= getattr(self, name) < 1e30:
                raise SettingsError(f"{name} must be at least 0, found {getattr(self, name)}")
        for name in ("decoys", "likelihood_dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} is a share from 0 to 1, found {getattr(self, name)}")
        if not 0 < self.learning_rate < 1e30:
            raise SettingsError(f"learning_rate must be above 0, found {self.learning_rate}")

    def _check_likelihood(self) -> None:
        for name in ("likelihood_dropout", "reference_kl"):
            if getattr(self, name) and not self.settings().likelihood:
                raise SettingsError(
                    f"{name} is {getattr(self, name)} and no likelihood is part of the scores; set "
                    f"reranker.likelihood above 0, or {name} to 0"
                )
        if self.reference_kl and self.fsdp:
            raise SettingsError(
                "reference_kl compares with a copy of the weights, which fsdp cuts up; set "
                "fsdp: false, or reference_kl: 0"
            )

    def settings(self) -> Settings:
        """The reranker settings that the result carries."""
        given = {
            "layout": "suffix",
            "passage_tokens": self.passage_tokens.most,
            "absolute": self.absolute > 0,
            **self.reranker,
        }
        return Settings.parse(given)

    def parsed_objective(self) -> Objective:
        """The objective to train with."""
        return replace(Objective.parse(self.objective), absolute=self.absolute)

    def path(self, name: str) -> Path:
        """Where a data file lies."""
        return Path(self.data_folder).expanduser() / name

    def text(self) -> str:
        """The recipe as YAML that `parse` reads back."""
        return yaml.safe_dump(_plain(asdict(self)), sort_keys=False)

    @classmethod
    def parse(cls, text: str, overrides: Sequence[str] = ()) -> "Recipe":
        """A recipe from YAML, with `key=value` put in place, such as `lora.rank=32`.

        Values are YAML; a key's dots lead into mappings and, by number, lists.

        Raises:
            SettingsError: for anything that is no recipe.
        """
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"the recipe is not YAML: {error}") from error
        for override in overrides if isinstance(values, dict) else ():
            _override(values, override)
        return build(cls, values)

    @classmethod
    def read(cls, path: str | Path, overrides: Sequence[str] = ()) -> "Recipe":
        """A recipe from a YAML file; see `parse`."""
        try:
            return cls.parse(Path(path).read_text(encoding="utf-8"), overrides)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} cannot be read ({error}); is it a recipe?") from error
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from error


def _override(values: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise SettingsError(f"expected key=value such as steps=100, found {override!r}")
    *parents, last = key.split(".")
    place: Any = values
    try:
        for name in parents:
            if isinstance(place, dict) and place.get(name) is None:
                place[name] = {}
            place = place[_index(place, name)]
        place[_index(place, last)] = yaml.safe_load(text)
    except (KeyError, IndexError, TypeError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{override!r} fits nowhere in the recipe ({error!r})") from error


def _index(place: object, name: str) -> str | int:
    return int(name) if isinstance(place, list) else name


def _plain(value: Any) -> Any:
    """Mappings, lists and scalars alone, as YAML has them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
