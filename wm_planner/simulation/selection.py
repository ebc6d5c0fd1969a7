"""Selection of a simulator by a mapping, a command-line text, or the path of a scene or scenario."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wm_planner.errors import ConfigError
from wm_planner.plugins import spec_of
from wm_planner.share import find
from wm_planner.simulation import SIMULATORS

SCENE_SUFFIX = ".py"

SCENARIO_ROOT = "commonRoad"
"""Root element of the traffic scenarios that are suggested for a path that does not exist."""


def simulator_spec(given: str | Mapping[str, Any], where: str) -> dict[str, Any]:
    """The `{type: ..., ...}` of a simulator.

    Args:
        given: the mapping itself; `name,key=value`; or the short form, the path of a file: a Python file is
            a scene for MuJoCo, any other file, or a folder, holds traffic scenarios.
        where: its path in the configuration, for errors.

    Raises:
        ConfigError: for anything else.
        PluginError: if the file does not exist.
    """
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, str):
        raise ConfigError(f"{where}: got {given!r}, wanted a file, or a mapping such as {{type: mujoco}}")
    spec = spec_of(given, where)
    if spec["type"] in SIMULATORS.entries or ":" in spec["type"]:
        return spec
    if len(spec) > 1:
        SIMULATORS.load(spec["type"])  # raises, with the closest known name
    return file_spec(find(given, "" if given.endswith(SCENE_SUFFIX) else SCENARIO_ROOT), given)


def file_spec(path: Path, given: str = "") -> dict[str, Any]:
    """The `{type: ..., ...}` of a scene file, a scenario file or a folder of scenarios.

    Args:
        path: of the file.
        given: the path as the user wrote it, which is kept in the result.
    """
    text = given or str(path)
    if path.suffix == SCENE_SUFFIX:
        return {"type": "mujoco", "scene": text}
    return {"type": "traffic", "scenario": text}
