"""The folder of a run: what was launched, its logs, its recording."""

import itertools
import time
from pathlib import Path
from typing import Any

import yaml

from wm_planner.config import read_yaml
from wm_planner.errors import ConfigError
from wm_planner.launching.file import LaunchSpec
from wm_planner.messaging.domain import Domain, check_name

RECORDING = "episodes.mcap"
LAUNCHED = "launch.yaml"


def new_name(stem: str) -> str:
    """A name for a run of the launch file `stem` that no folder and no running domain has."""
    first = f"{stem}_{time.strftime('%Y%m%d_%H%M%S')}"
    names = itertools.chain([first], (f"{first}_{number}" for number in itertools.count(2)))
    return next(n for n in names if not Path("runs", n).exists() and not Domain.named(n).path.exists())


def prepare(folder: Path, spec: LaunchSpec) -> Path:
    """Make the folder of a new run and note in it what is launched, with every argument filled in.

    Raises:
        ConfigError: if it exists, or cannot be written.
        MessagingError: if its name is no plain name.
    """
    check_name(f"--name '{spec.name}'", spec.name)
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ConfigError(f"{folder} exists already; choose another --name or remove it") from None
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from None
    nodes = [
        {"exec": str(node.program), "name": node.name, "params": node.params, "respawn": node.respawn}
        for node in spec.nodes
    ]
    text = yaml.safe_dump({"clock": spec.clock, "nodes": nodes}, sort_keys=False)
    (folder / LAUNCHED).write_text(text, encoding="utf-8")
    return folder


def recording_of(folder: Path) -> Path:
    """The recording of a run.

    Raises:
        ConfigError: if the folder holds none.
    """
    path = folder / RECORDING
    if not path.is_file():
        raise ConfigError(f"{folder} holds no {RECORDING}; give the folder of a run, runs/NAME")
    return path


def world_model_of(folder: Path) -> str | None:
    """The bundle that a run planned with; None if it planned without a learned model."""
    nodes: list[dict[str, Any]] = read_yaml(folder / LAUNCHED).get("nodes", [])
    models = [node["params"]["world_model"] for node in nodes if "world_model" in node.get("params", {})]
    return str(models[0]) if models else None
