"""A configuration of Ray Serve's, or a RayService that carries one, as this house is deployed by.

Ray leaves out names that it does not know, so that a setting that is misspelt has no effect; here
they are errors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from reranker.errors import DataError, SettingsError
from serve.configuration import read_limits, read_settings, said
from serve.settings import Limits, ServeSettings

if TYPE_CHECKING:
    from ray.serve.schema import DeploymentSchema, ServeApplicationSchema, ServeDeploySchema

APPLICATIONS = ("serve.app:build", "serve.app:app")


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a configuration has served, with the limits of its `user_config`, and where."""

    settings: ServeSettings
    host: str
    port: int


def read_deployment(path: Path) -> Deployment:
    """The service of a configuration, settings that it does not give being the environment's.

    Raises:
        DataError: for a file that is no YAML.
        SettingsError: for what Ray or the service would not take, or would leave out.
    """
    from ray.serve.schema import ServeDeploySchema

    found = _configuration(path)
    try:
        schema = ServeDeploySchema.model_validate(found)
        if unknown := sorted(_unknown(schema, found)):
            raise SettingsError(f"{path}: Ray knows no {', '.join(unknown)}; mend or remove it")
        return _deployment(schema)
    except ValidationError as error:
        raise SettingsError(f"{path}: {said(error)}") from None


def _configuration(path: Path) -> Mapping[str, Any]:
    found = _mapping(path, _read(path))
    if found.get("kind") != "RayService":
        return found
    text = _mapping(path, found.get("spec")).get("serveConfigV2")
    if not isinstance(text, str):
        raise SettingsError(f"{path}: a RayService without spec.serveConfigV2, a text of YAML")
    return _mapping(path, _parsed(path, text))


def _read(path: Path) -> object:
    try:
        return _parsed(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}); give a file") from None


def _parsed(path: Path, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise DataError(f"{path} is no YAML: an error{place}; mend it") from None


def _mapping(path: Path, found: object) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise SettingsError(f"{path}: found {type(found).__name__} where names with values belong")
    return found


def _unknown(parsed: object, found: object, place: str = "") -> Iterator[str]:
    """Names that a schema has left out."""
    if isinstance(parsed, BaseModel) and isinstance(found, Mapping):
        for name, value in found.items():
            if name not in type(parsed).model_fields:
                yield f"{place}{name}"
            else:
                yield from _unknown(getattr(parsed, name), value, f"{place}{name}.")
    elif isinstance(parsed, list) and isinstance(found, list):
        for each, value in zip(parsed, found, strict=True):
            yield from _unknown(each, value, place)


def _deployment(schema: "ServeDeploySchema") -> Deployment:
    ours = [each for each in schema.applications if each.import_path in APPLICATIONS]
    if len(ours) != 1:
        raise SettingsError(
            f"found {len(ours)} applications whose import_path is one of {', '.join(APPLICATIONS)}"
            "; expected one"
        )
    settings = _settings(ours[0])
    http, longest = schema.http_options, settings.limits.max_timeout_s
    if http.request_timeout_s is not None and http.request_timeout_s < longest:
        raise SettingsError(
            f"http_options.request_timeout_s is {http.request_timeout_s} and max_timeout_s "
            f"{longest}: Ray would cut requests off; raise the first, or lower the other"
        )
    return Deployment(settings, http.host, http.port)


def _settings(application: "ServeApplicationSchema") -> ServeSettings:
    args = application.args if isinstance(application.args, Mapping) else {}
    if args and application.import_path != APPLICATIONS[0]:
        raise SettingsError(f"args are read by import_path {APPLICATIONS[0]}; name it, or none")
    settings = read_settings(**args)
    for deployment in application.deployments:
        settings = _deployed(settings, deployment)
    return settings


def _deployed(settings: ServeSettings, deployment: "DeploymentSchema") -> ServeSettings:
    from serve.app import Replica

    if deployment.name != Replica.name:  # type: ignore[attr-defined]
        raise SettingsError(f"there is no deployment {deployment.name!r}; the one is 'Reranker'")
    if isinstance(deployment.autoscaling_config, Mapping):
        _check_autoscaling(deployment.autoscaling_config)
    config = deployment.user_config if isinstance(deployment.user_config, Mapping) else {}
    limits = read_limits(config, settings.limits)
    _check_shutdown(deployment, built=settings.limits, limits=limits)
    return settings.model_copy(update={"limits": limits})


def _check_shutdown(deployment: "DeploymentSchema", *, built: Limits, limits: Limits) -> None:
    """A rollout lets requests end for as long as was said when the application was built."""
    from serve.app import GRACE_SECONDS

    given = deployment.graceful_shutdown_timeout_s
    seconds = given if isinstance(given, int | float) else built.max_timeout_s + GRACE_SECONDS
    needed = limits.max_timeout_s + GRACE_SECONDS
    if seconds < needed:
        raise SettingsError(
            f"graceful_shutdown_timeout_s is {seconds:g} and max_timeout_s {limits.max_timeout_s:g}"
            f": a rollout would cut requests off; set the first to {needed:g} or more, or lower "
            "the other"
        )


def _check_autoscaling(found: Mapping[str, Any]) -> None:
    from ray.serve.config import AutoscalingConfig

    config = AutoscalingConfig.model_validate(found)
    if unknown := sorted(_unknown(config, found)):
        raise SettingsError(f"autoscaling_config: Ray knows no {', '.join(unknown)}")
    try:
        policy = config.policy.get_policy()
        if isinstance(policy, type):
            policy(**config.policy.policy_kwargs)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise SettingsError(f"autoscaling_config.policy cannot be used: {error}") from None
