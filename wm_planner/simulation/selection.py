"""Selection of a simulator by a mapping, a command-line text, or the path of a scene or scenario."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wm_planner.errors import ConfigError, PluginError, did_you_mean
from wm_planner.plugins import spec_of
from wm_planner.share import find, listing, root_element
from wm_planner.simulation import SIMULATORS

SCENE_SUFFIX = ".py"

MODEL_ROOT = "mujoco"
"""Root element of the models that scene files load."""

SCENARIO_ROOT = "commonRoad"
"""Root element of the traffic scenarios that are suggested for a path that does not exist."""


def simulator_spec(given: str | Mapping[str, Any], where: str) -> dict[str, Any]:
    """The `{type: ..., ...}` of a simulator.

    Args:
        given: the mapping itself; `name,key=value`; or the short form, the path of a file: a Python file is
            a scene for MuJoCo, any other file, or a folder, holds traffic scenarios.
        where: its path in the configuration, for errors.

    Raises:
        ConfigError: for a MuJoCo model, and for anything else.
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
    if "/" not in given and not Path(given).suffix and not Path(given).exists():
        raise PluginError(
            f"{where}: no simulator and no file '{given}', {did_you_mean(*_by_bare_name(given))}"
        )
    path = find(given, "" if given.endswith(SCENE_SUFFIX) else SCENARIO_ROOT)
    if path.suffix == ".xml" and path.is_file() and root_element(path) == MODEL_ROOT:
        raise ConfigError(f"{where}: {given} is a MuJoCo model, {_scene_of(path, given)}")
    return file_spec(path, given)


def _by_bare_name(given: str) -> tuple[str, list[str]]:
    """What a name without folder and suffix may stand for: a file in sim/ or itself; and all that exist."""
    files = [*listing("sim", SCENE_SUFFIX), *listing("sim", ".xml", SCENARIO_ROOT)]
    shelf = {Path(name).stem: f"sim/{name}" for name in files}
    close = difflib.get_close_matches(given, shelf, n=1)
    return shelf[close[0]] if close else given, [*shelf.values(), *SIMULATORS.entries]


def _scene_of(path: Path, given: str) -> str:
    """What is wanted instead of a MuJoCo model: the scene file next to it if there is one."""
    scene = Path(given).with_suffix(SCENE_SUFFIX)
    what = "wanted a scene file, which adds the task, the cameras and the actions"
    return (
        f"{what}: {scene}" if path.with_suffix(SCENE_SUFFIX).is_file() else f"{what}, as sim/panda_reach.py"
    )


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
