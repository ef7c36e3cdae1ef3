"""Dataclasses out of parsed YAML: unknown keys refused, values checked."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from reranker.errors import RerankerError, SettingsError

Value = TypeVar("Value")


def build(kind: type[Value], values: object, place: str = "") -> Value:
    """An instance of a dataclass, with dataclasses within it, from mappings and lists.

    Raises:
        SettingsError: for an unknown or missing key, or a value of another type; it names the key.
    """
    if isinstance(values, kind):
        return values
    if not isinstance(values, Mapping):
        raise SettingsError(f"{place or 'the recipe'} must be a mapping of keys, found {values!r}")
    _check_keys(kind, values, place)
    hints = get_type_hints(kind)
    read = {key: _read(hints[key], value, _joined(place, key)) for key, value in values.items()}
    try:
        return kind(**read)
    except RerankerError as error:
        raise SettingsError(f"{place}: {error}" if place else str(error)) from error


def _check_keys(kind: type, values: Mapping[object, object], place: str) -> None:
    known = {field.name: field for field in fields(kind)}
    where = f" of {place}" if place else ""
    if unknown := sorted(map(str, set(values) - set(known))):
        raise SettingsError(f"unknown key(s) {unknown}{where}; known are {sorted(known)}")
    needed = {
        name
        for name, field in known.items()
        if field.default is MISSING and field.default_factory is MISSING
    }
    if absent := sorted(needed - set(map(str, values))):
        raise SettingsError(f"key(s) {absent}{where} must be given")


def _read(hint: Any, value: object, place: str) -> Any:
    if isinstance(hint, UnionType):
        return _read_union(get_args(hint), value, place)
    if get_origin(hint) is tuple:
        return _read_list(get_args(hint)[0], value, place)
    if isinstance(hint, type) and is_dataclass(hint):
        return build(hint, value, place)
    if hint is float:
        return _number(value, place)
    origin = get_origin(hint) or hint
    if not isinstance(value, origin) or (isinstance(value, bool) and hint is not bool):
        raise SettingsError(f"{place} must be {_named(hint)}, found {value!r}")
    return value


def _read_union(hints: Sequence[Any], value: object, place: str) -> Any:
    if value is None and NoneType in hints:
        return None
    kinds = [hint for hint in hints if hint is not NoneType]
    # A text, a list and a mapping are told apart by what stands there; else there is one kind.
    fitting = [hint for hint in kinds if isinstance(value, _stored(get_origin(hint) or hint))]
    return _read((fitting or kinds)[0], value, place)


def _stored(kind: type) -> type | tuple[type, ...]:
    """What a value of that type may be in parsed YAML."""
    return (tuple, list) if kind is tuple else kind


def _read_list(hint: Any, value: object, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise SettingsError(f"{place} must be a list, found {value!r}")
    return tuple(_read(hint, item, f"{place}.{number}") for number, item in enumerate(value))


def _number(value: object, place: str) -> float:
    """A float; YAML 1.1 reads 3e-4 as a text."""
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise SettingsError(f"{place} must be a number, found {value!r}")


def _joined(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _named(hint: Any) -> str:
    names = {int: "a whole number", str: "a text", bool: "true or false", Mapping: "a mapping"}
    return names.get(get_origin(hint) or hint, str(hint))
