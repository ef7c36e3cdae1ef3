"""Options that take the place of what a checkpoint carries."""

from pathlib import Path

from reranker.errors import SettingsError
from reranker.settings import Settings
from reranker.template import read_template


def overridden(settings: Settings, **overrides: object) -> Settings:
    """A checkpoint's settings with the options of `Reranker` in their place.

    Raises:
        SettingsError: for a name that is no setting, a value out of range, or `frozen_passages`.
    """
    if overrides.get("frozen_passages") not in (None, settings.frozen_passages):
        raise SettingsError(
            "frozen_passages says how an adapter was trained, and cannot be overridden; train one "
            "with it, or load another"
        )
    layout, template = overrides.get("layout"), overrides.get("template")
    if layout is not None and template is None:
        # A layout asked for by name replaces the checkpoint's template too.
        settings = settings.without_template()
    if template is not None or layout not in (None, settings.layout):
        # Their weights were for the checkpoint's own layout.
        settings = settings.override(likelihood=0, prior=0)
    likelihood = overrides.get("likelihood")
    if likelihood is not None and bool(likelihood) != bool(settings.likelihood):
        # Its unit is a query's token where there is a likelihood, else a query.
        settings = settings.override(prior=0)
    if isinstance(template, Path) or (isinstance(template, str) and "\n" not in template):
        overrides["template"] = read_template(template)
    window = overrides.get("window")
    if isinstance(window, int) and overrides.get("stride") is None and settings.stride > window:
        overrides["stride"] = max(1, window // 2)
    if isinstance(overrides.get("identifiers"), list):
        overrides["identifiers"] = tuple(overrides["identifiers"])  # type: ignore[arg-type]
    return settings.override(**overrides)


def refuse_options(**options: object) -> None:
    """Refuse options that came too late: for a model that is loaded already.

    Raises:
        SettingsError: naming those that are not None.
    """
    if given := sorted(name for name, value in options.items() if value is not None):
        raise SettingsError(
            f"{', '.join(given)} cannot be applied to a checkpoint that is loaded already; give "
            "them to reranker.load"
        )
