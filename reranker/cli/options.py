"""The options that commands share: dataclasses whose fields typer reads one by one."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from reranker.layouts import LAYOUTS
from reranker.settings import STORED, STRATEGIES

if TYPE_CHECKING:
    from reranker.reranker import Reranker

MODEL = "Model"
PROMPT = "Windows and prompt (left out: what the model was trained with)"


def one_of(known: Sequence[str]) -> Callable[[str | None], str | None]:
    """A check that an option is one of the names known."""

    def checked(value: str | None) -> str | None:
        if value is not None and value not in known:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(known)}")
        return value

    return checked


def _option(panel: str, metavar: str, text: str, **settings: Any) -> Any:
    return typer.Option(help=text, metavar=metavar, rich_help_panel=panel, **settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankerOptions:
    """Which model ranks, and how; see `Reranker` and `Settings`."""

    model: Annotated[
        str | None,
        _option(
            MODEL,
            "NAME",
            "A Hugging Face name, a folder or a .gguf file; else the embedded default.",
        ),
    ] = None
    adapter: Annotated[
        str | None,
        _option(MODEL, "NAME", "A PEFT adapter's name or folder to merge into the model."),
    ] = None
    revision: Annotated[
        str | None, _option(MODEL, "REVISION", "Branch, tag or commit of a Hugging Face name.")
    ] = None
    dtype: Annotated[
        str | None,
        _option(MODEL, "DTYPE", "float32, bfloat16 or float16; else what suits the device."),
    ] = None
    device: Annotated[
        str | None, _option(MODEL, "DEVICE", "cpu, cuda, cuda:1, mps; else the best there is.")
    ] = None
    batch_tokens: Annotated[
        int | None,
        _option(MODEL, "N", "The most tokens of a forward pass, which queries share.", min=1),
    ] = None
    cache: Annotated[
        Path | None,
        _option(
            MODEL, "FOLDER", "Keep what the model reads of passages there (layouts blocks, cross)."
        ),
    ] = None
    stored: Annotated[
        str,
        _option(MODEL, "TYPE", f"{', '.join(STORED)}: how it is kept.", callback=one_of(STORED)),
    ] = "float16"
    strategy: Annotated[
        str | None,
        _option(PROMPT, "NAME", f"{', '.join(STRATEGIES)}.", callback=one_of(STRATEGIES)),
    ] = None
    window: Annotated[int | None, _option(PROMPT, "N", "Passages in a window.", min=2)] = None
    stride: Annotated[
        int | None, _option(PROMPT, "N", "Passages from one sliding window to the next.", min=1)
    ] = None
    passes: Annotated[
        int | None, _option(PROMPT, "N", "How often sliding windows go over the candidates.", min=1)
    ] = None
    layout: Annotated[
        str | None,
        _option(PROMPT, "NAME", f"{', '.join(LAYOUTS)}.", callback=one_of(tuple(LAYOUTS))),
    ] = None
    template: Annotated[
        Path | None,
        _option(PROMPT, "FILE", "A prompt template (RankLLM's YAML) in place of a layout."),
    ] = None
    identifiers: Annotated[
        str | None,
        _option(PROMPT, "NAMES", "letters, mixed, capitals or numbers; or a list such as A,B,C."),
    ] = None
    passage_tokens: Annotated[
        int | None, _option(PROMPT, "N", "Tokens that a passage is cut to.", min=1)
    ] = None
    query_tokens: Annotated[
        int | None, _option(PROMPT, "N", "Tokens that the query is cut to.", min=1)
    ] = None
    window_tokens: Annotated[
        int | None,
        _option(PROMPT, "N", "Tokens of a whole window; passages are cut to fit.", min=1),
    ] = None

    prior: Annotated[
        float | None,
        _option(PROMPT, "W", "Weight of the first stage's order; 0 for the model alone.", min=0),
    ] = None
    likelihood: Annotated[
        float | None,
        _option(PROMPT, "W", "Weight of the query's likelihood (layout cross).", min=0),
    ] = None
    cut_query: Annotated[
        bool | None,
        typer.Option(
            "--cut-query/--no-cut-query",
            help="Read passages without the query where they repeat it.",
            rich_help_panel=PROMPT,
        ),
    ] = None

    def reranker(self) -> "Reranker":
        """Load the model.

        Raises:
            RerankerError: as `Reranker` does.
        """
        from reranker.passage_cache import PassageCache
        from reranker.reranker import Reranker

        given: dict[str, Any] = asdict(self)
        if self.identifiers is not None and "," in self.identifiers:
            given["identifiers"] = tuple(self.identifiers.split(","))
        folder, stored = given.pop("cache"), given.pop("stored")
        cache = None if folder is None else PassageCache(folder=folder, stored=stored)
        return Reranker(given.pop("model"), cache=cache, **given)


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose dataclass parameters are spread into their fields, for typer to see."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}

    @wraps(command)
    def flat(**values: Any) -> None:
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        command(**values)

    found = [p for name in inspect.signature(command).parameters for p in _flat(name, command)]
    required_first = sorted(found, key=lambda parameter: parameter.default is not parameter.empty)
    flat.__signature__ = inspect.Signature(required_first)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in found}
    return flat


def _flat(name: str, command: Callable[..., None]) -> list[inspect.Parameter]:
    """One parameter, or the fields that it is spread into."""
    kind = get_type_hints(command, include_extras=True)[name]
    if not is_dataclass(kind):
        return [_parameter(name, kind, inspect.signature(command).parameters[name].default)]
    hints = get_type_hints(kind, include_extras=True)
    return [_parameter(f.name, hints[f.name], f.default) for f in fields(kind)]


def _parameter(name: str, kind: object, default: object) -> inspect.Parameter:
    given = inspect.Parameter.empty if default is MISSING else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=given, annotation=kind)
