"""Plug-ins of every kind are named one way: a bare name, `package.module:Class`, or `path/file.py:Class`.

In YAML a plug-in is `{type: name, key: value}`, on the command line `name,key=value`.
"""

import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from wm_planner import share
from wm_planner.config import Config, convert, put, setting
from wm_planner.errors import (
    ConfigError,
    PluginError,
    WmError,
    describe,
    did_you_mean,
    missing_package,
    place_of,
    placed,
)

DOMAINS = ("driving", "manipulation", "sprites")
"""Packages of wm_planner whose module `registry` adds plug-ins to the registries of the core by name.

The module holds `ENTRIES`, kind of plug-in to {bare name: "package.module:Class"}, and imports nothing.
"""


class Registry:
    """The built-in plug-ins of one kind, and the way to any other.

    Args:
        kind: what the plug-ins are ("planner"), for errors and in the domains' ENTRIES.
        entries: the core's own, bare name to "package.module:Class".
    """

    def __init__(self, kind: str, entries: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._core = dict(entries or {})

    @cached_property
    def entries(self) -> Mapping[str, str]:
        """Bare name to "package.module:Class": the core's own entries, then those of the domains."""
        domains = (importlib.import_module(f"wm_planner.{domain}.registry") for domain in DOMAINS)
        return self._core | {
            name: target for domain in domains for name, target in domain.ENTRIES.get(self.kind, {}).items()
        }

    def load(self, name: str) -> Any:
        """The class behind `name`.

        Raises:
            PluginError: with the closest known name.
        """
        target = self.entries.get(name, name)
        module_name, colon, attribute = target.rpartition(":")
        if not (colon and module_name and attribute):
            raise PluginError(f"unknown {self.kind} '{name}', {did_you_mean(name, self.entries)}")
        try:
            module = _module(module_name)
        except ModuleNotFoundError as error:
            reason = missing_package(error, f"{self.kind} '{name}'")
            place = "" if name in self.entries else place_of(error)
            raise PluginError(f"{reason}{place}") from None
        if not hasattr(module, attribute):
            hint = did_you_mean(attribute, _defined_in(module))
            raise PluginError(f"{module_name} has no '{attribute}', {hint}")
        return getattr(module, attribute)

    def build(self, spec: Mapping[str, Any], where: str, also: Iterable[str] = (), **context: Any) -> Any:
        """Build a plug-in from `{type: name, ...}`; the other keys fill the class's own `Config` struct.

        The class is called with its config, or its method `from_config` is where it has one.

        Args:
            spec: the mapping of a launch file.
            where: its place, for errors.
            also: further keys that its place may have, for errors.
            context: what the class's constructor takes next to its config.
        """
        cls, config = self.configure(spec, where, also)
        return getattr(cls, "from_config", cls)(config, **context)

    def configure(self, spec: Mapping[str, Any], where: str, also: Iterable[str] = ()) -> tuple[Any, Config]:
        """The class that `spec` names and its checked config; see `build`."""
        if not isinstance(spec, Mapping):
            raise ConfigError(
                f"{where}: got {spec!r}, wanted a mapping, e.g. {{type: {next(iter(self.entries))}}}"
            )
        values = dict(spec)
        name = values.pop("type", None)
        if not isinstance(name, str):
            raise ConfigError(
                f"{where}: 'type' is missing, wanted the name of a {self.kind}, "
                f"{did_you_mean('', self.entries)}"
            )
        with placed(where):
            cls = self.load(name)
        if not isinstance(getattr(cls, "Config", None), type):
            raise PluginError(
                f"{where}: {name} has no Config, wanted a class whose settings are a class inside of it: "
                "class Config(wm_planner.config.Config, frozen=True, kw_only=True)"
            )
        return cls, convert(values, cls.Config, where, also)


def _module(name: str) -> ModuleType:
    """The module of a file `x.py`, or with a dotted name.

    Raises:
        PluginError: if it does not exist, or its import fails.
        ModuleNotFoundError: if it imports a module that does not exist.
    """
    if name.endswith(".py"):
        return load_file(share.find(name))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise
        raise PluginError(f"cannot import '{name}' ({error}); is its package installed?") from None
    except WmError:
        raise
    except Exception as error:
        raise PluginError(f"{name}: cannot be imported: {describe(error)}") from error


def _defined_in(module: ModuleType) -> list[str]:
    """The public classes that a module or package defines; its functions if it defines no class."""
    home = f"{module.__name__}."
    public = [value for name, value in vars(module).items() if not name.startswith("_")]
    own = [value for value in public if f"{getattr(value, '__module__', '')}.".startswith(home)]
    classes = [value.__name__ for value in own if isinstance(value, type)]
    return classes or [value.__name__ for value in own if isinstance(value, FunctionType)]


def spec_of(text: str, option: str) -> dict[str, Any]:
    """The `{type: ..., key: value}` that a command line gives as `name,key=value`, e.g. `cem,consistency=0`.

    Args:
        text: the name, then settings separated by commas; a key may be a dotted path, a value is YAML.
        option: where it was given, for errors.

    Raises:
        ConfigError: if a setting is not `key=value`.
    """
    name, *settings = _COMMA.split(text)
    spec: dict[str, Any] = {"type": name}
    for each in settings:
        put(spec, *setting(each, f"{option} {text}: setting"))
    return spec


_COMMA = re.compile(r",(?![^\[{]*[\]}])")  # not those inside of a list or a mapping


def load_file(path: Path) -> ModuleType:
    """Load a Python file by its path, once per process; scenes, nodes and models are loaded this way.

    Raises:
        PluginError: if there is no such file, or what it does at its import fails.
    """
    path = path.resolve()
    name = f"_wm_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise PluginError(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception) or isinstance(error, WmError | ModuleNotFoundError):
            raise
        raise PluginError(f"{path}: cannot be loaded: {describe(error)}") from error
    return module
