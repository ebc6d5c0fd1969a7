"""Configuration: frozen structs, converted from plain mappings, with errors that name the path."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from wm_planner import yaml_text
from wm_planner.conversion_errors import problem_of
from wm_planner.errors import ConfigError


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every configuration: immutable, keyword-only, unknown keys refused."""


Positive = Annotated[int, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Seed = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Seconds = Annotated[float, msgspec.Meta(ge=1e-6, le=86_400)]
Rate = Annotated[float, msgspec.Meta(ge=1, le=10_000)]
Delay = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
"""Ranges that `convert` checks. Both times are in seconds, at most a day; a period is at least 1 us."""

ConfigT = TypeVar("ConfigT", bound=msgspec.Struct)


def convert(values: Mapping[str, Any], to: type[ConfigT], where: str, also: Iterable[str] = ()) -> ConfigT:
    """Convert `values` to the struct `to`, with validation.

    Args:
        where: the place of the values, for errors.
        also: further keys that the place may have, for errors.

    Raises:
        ConfigError: with the path of the first value that does not fit.
    """
    for path, problem in _unusable(values):
        raise ConfigError(f"{_place(where, path)}: {problem}")
    try:
        return msgspec.convert(dict(values), to)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `")
        path = place.rstrip("`").lstrip("$")
        problem = problem_of(reason, path, to, values, also)
        raise ConfigError(f"{_place(where, path)}: {problem}") from None


def _place(where: str, path: str) -> str:
    """Name a path below `where`, which ends in ": " if it is not part of the path."""
    return (where + path.lstrip(".")).removesuffix(": ") if where.endswith(": ") else f"{where}{path}"


def _unusable(values: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Place and problem of every number that is not finite (comparisons let NaN through) and of every key
    that is not text (YAML reads `1:` and `on:` as a number and a truth value).
    """
    if isinstance(values, float) and not math.isfinite(values):
        yield path, f"got {values}, wanted a finite number"
    elif isinstance(values, Mapping):
        for key, value in values.items():
            if not isinstance(key, str):
                yield path, f"got the key {key!r}, wanted text: write it in quotes"
            yield from _unusable(value, f"{path}.{key}")
    elif isinstance(values, list | tuple):
        for index, value in enumerate(values):
            yield from _unusable(value, f"{path}[{index}]")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        ConfigError: if the file is missing, is not YAML (with the line) or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid YAML ({error})") from None
    values = yaml_text.parse(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: got {type(values).__name__}, wanted a mapping of keys to values")
    return values


def setting(text: str, option: str = "--set") -> tuple[str, Any]:
    """The path and the value of the command-line option `--set path=value`, with the value in YAML.

    Args:
        option: name of the option, for errors.

    Raises:
        ConfigError: if the text has another form.
    """
    path, equals, value = text.partition("=")
    if not equals or not all(path.split(".")):
        raise ConfigError(f"{option} '{text}': wanted field=value, e.g. iterations=100")
    return path, yaml_text.parse(value, f"{option} '{text}'")


def put(values: dict[str, Any], path: str, value: object) -> None:
    """Set a nested value by its dotted path, e.g. `planner.horizon`.

    Raises:
        ConfigError: if the path leads through a value without fields.
    """
    *parents, last = path.split(".")
    place: Any = values
    for depth, parent in enumerate([*parents, last]):
        there = ".".join(parents[:depth])
        if isinstance(place, list):
            raise ConfigError(f"{path}: {there} is a list, set it as a whole: --set '{there}=[...]'")
        if not isinstance(place, dict):
            raise ConfigError(f"{path}: {there} has no fields to set")
        if depth < len(parents):
            place = place.setdefault(parent, {})
    place[last] = value


def to_builtins(config: msgspec.Struct) -> dict[str, Any]:
    """The struct as a plain mapping for YAML or JSON."""
    builtins: dict[str, Any] = msgspec.to_builtins(config)
    return builtins
