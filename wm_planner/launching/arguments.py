"""The arguments of a launch file: their defaults, the command line, and their places in the file."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wm_planner import plugins, yaml_text
from wm_planner.config import read_yaml
from wm_planner.errors import ConfigError, did_you_mean

_REFERENCE = re.compile(r"\$\((\w+)\)")


def arguments(path: Path, raw: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The arguments of a launch file with their defaults.

    Args:
        raw: its content, if it has been read already.

    Raises:
        ConfigError: if they are not a mapping of names to values.
    """
    args = (read_yaml(path) if raw is None else raw).get("args") or {}
    if not isinstance(args, dict) or "name" in args or not all(isinstance(key, str) for key in args):
        raise ConfigError(f"{path}: args: wanted a mapping of argument to default ('name' is the run's name)")
    return args


def with_overrides(args: Mapping[str, Any], overrides: Iterable[str], path: Path) -> dict[str, Any]:
    """The arguments with those that the command line sets.

    Args:
        args: with their defaults.
        overrides: "argument=value", the value read as the type of the argument's default.
        path: of the launch file, for errors.

    Raises:
        ConfigError: if an argument does not exist, is given twice, or its value does not fit.
    """
    values, given = dict(args), dict[str, str]()
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"got '{override}', wanted argument=value, as in {_example(args)}")
        if name not in args:
            raise ConfigError(f"{path}: no argument '{name}', {did_you_mean(name, args)}")
        if not text and args[name] not in ("", None):
            raise ConfigError(f"argument {name}= is empty, wanted a value, as in {name}={_shown(args[name])}")
        if name in given:
            raise ConfigError(f"argument {name} is given twice, {name}={given[name]} and {override}")
        given[name] = text
        values[name] = _typed(text, args[name], name)
    return values


def _example(args: Mapping[str, Any]) -> str:
    return next((f"{name}={value}" for name, value in args.items()), "episodes=10")


def _shown(default: Any) -> str:
    """A default as it may be given on the command line."""
    return default["type"] if isinstance(default, dict) and "type" in default else str(default)


def _typed(text: str, default: Any, name: str) -> Any:
    """`text` read as the type of `default`; if that is null, as any YAML value.

    A plug-in, `{type: name, key: value}`, may be given as `name,key=value`.
    """
    if isinstance(default, str):
        return text
    if isinstance(default, dict) and "type" in default and not text.startswith("{"):
        return plugins.spec_of(text, f"argument {name}")
    try:
        value = yaml_text.parse(text, name)
    except ConfigError:
        value = text
    if isinstance(default, float):
        with contextlib.suppress(ValueError):
            return float(text)  # 1e-3 is text in YAML
    if default is not None and type(value) is not type(default):
        raise ConfigError(f"argument {name}={text}: wanted {type(default).__name__}, as in {name}={default}")
    return value


def substituted(value: Any, values: Mapping[str, Any], where: str) -> Any:
    """`value` with every $(argument) substituted; a string that is only a reference takes its type."""
    if isinstance(value, dict):
        return {key: substituted(item, values, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [substituted(item, values, f"{where}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in _REFERENCE.findall(value):
        if name not in values:
            raise ConfigError(f"{where}: no argument '{name}', {did_you_mean(name, values)}")
    whole = _REFERENCE.fullmatch(value)
    return values[whole[1]] if whole else _REFERENCE.sub(lambda match: str(values[match[1]]), value)
