"""Settings and limits as an operator writes them, with errors that say what to mend."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from reranker.errors import SettingsError
from serve.settings import Limits, ServeSettings


def read_settings(**given: object) -> ServeSettings:
    """Settings from the environment, with those that are given (not None) in their place.

    Raises:
        SettingsError: naming what is wrong, never what stood there.
    """
    try:
        return ServeSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(f"settings of the service: {said(error)}") from None


def read_limits(user_config: Mapping[str, Any], base: Limits) -> Limits:
    """The limits of a deployment's `user_config`, which takes the place of some or all of `base`.

    Raises:
        SettingsError: for limits that make no sense.
    """
    try:
        return Limits.model_validate({**base.model_dump(), **user_config})
    except ValidationError as error:
        raise SettingsError(
            f"user_config: {said(error)}; it takes {', '.join(Limits.model_fields)}"
        ) from None


def said(error: ValidationError) -> str:
    """What is wrong, by place, without what stood there."""
    told = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'all'}: {each['msg']}" for each in told)
