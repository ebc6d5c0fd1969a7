"""The folder of a run: the launched configuration, logs and the recording."""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wm_planner.config import Config, convert, read_yaml, to_builtins
from wm_planner.errors import ConfigError, did_you_mean
from wm_planner.launching.file import LaunchSpec
from wm_planner.messaging.declarations import Declaration
from wm_planner.messaging.domain import Domain, check_name
from wm_planner.node.scheduling import Scheduling

RECORDING = "episodes.mcap"
LAUNCHED = "launch.yaml"
RUNS = Path("runs")


class LaunchedNode(Scheduling, frozen=True, kw_only=True, omit_defaults=True):
    """A node of a run, as stored in its folder; `exec` is the path of its program."""

    exec: str
    name: str
    params: dict[str, Any]
    respawn: str
    namespace: str = ""
    remap: dict[str, str] = msgspec.field(default_factory=dict)
    on_hang: str = "hold"
    group: str = ""


class Launched(Config, frozen=True, kw_only=True):
    """The configuration that a run was launched with, as stored in its folder."""

    clock: str
    nodes: list[LaunchedNode]
    topics: list[Declaration] = msgspec.field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "Launched":
        """The configuration of the run in `folder`.

        Raises:
            ConfigError: if the folder holds none, or it cannot be read.
        """
        return convert(read_yaml(folder / LAUNCHED), cls, f"{folder / LAUNCHED}: ")

    @property
    def world_model(self) -> str | None:
        """The bundle that the run planned with; None without a learned model."""
        return next((str(model) for model in self._param("world_model")), None)

    @property
    def episodes(self) -> int | None:
        """The number of episodes that were requested; None if no node was given one."""
        return next((count for count in self._param("episodes") if isinstance(count, int)), None)

    def _param(self, name: str) -> Iterator[Any]:
        """The values of the parameter `name`, of all nodes that were given it."""
        return (node.params[name] for node in self.nodes if name in node.params)


def new_name(stem: str) -> str:
    """A name for a run of the launch file `stem` that no folder and no running domain uses."""
    first = f"{stem}_{time.strftime('%Y%m%d_%H%M%S')}"
    names = itertools.chain([first], (f"{first}_{number}" for number in itertools.count(2)))
    taken = os.path.exists  # a folder of domains that another user holds is refused later, by name
    return next(n for n in names if not (RUNS / n).exists() and not taken(Domain.named(n).path))


def prepare(folder: Path, spec: LaunchSpec) -> Path:
    """Create the folder of a new run and store its configuration there, with all arguments substituted.

    Raises:
        ConfigError: if the folder exists, or cannot be written.
        MessagingError: if the run's name is not a plain name.
    """
    check_name(f"--name '{spec.name}'", spec.name)
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ConfigError(f"{folder} exists already; choose another --name or remove it") from None
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be made ({error.strerror}); start wm in another folder"
        ) from None
    nodes = [
        LaunchedNode(
            exec=str(node.program),
            name=node.name,
            params=node.params,
            respawn=node.respawn,
            on_hang=node.on_hang,
            namespace=node.namespace,
            remap=dict(node.remap),
            priority=node.scheduling.priority,
            nice=node.scheduling.nice,
            cores=node.scheduling.cores,
            group=node.group,
        )
        for node in spec.nodes
    ]
    text = yaml.safe_dump(
        to_builtins(Launched(clock=spec.clock, nodes=nodes, topics=list(spec.topics))), sort_keys=False
    )
    (folder / LAUNCHED).write_text(text, encoding="utf-8")
    return folder


def recorded_to(spec: LaunchSpec, recording: Path) -> LaunchSpec:
    """A run whose recorder writes to another file."""
    nodes = tuple(
        replace(node, params={**node.params, "path": str(recording)})
        if node.program.stem == "recorder"
        else node
        for node in spec.nodes
    )
    return replace(spec, nodes=nodes)


def discard(folder: Path) -> None:
    """Remove the folder of a run that did not begin, unless something else has been put into it."""
    (folder / LAUNCHED).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def recording_of(folder: Path) -> Path:
    """The recording of a run.

    Raises:
        ConfigError: if the folder holds none; names the runs that exist.
    """
    path = folder / RECORDING
    if path.is_file():
        return path
    if folder.is_file():
        raise ConfigError(f"{folder} is a file, wanted the folder of a run: {folder.parent}")
    if (folder / LAUNCHED).is_file():
        raise ConfigError(f"{folder} holds no {RECORDING}: the run had no recorder, or did not begin")
    if runs := _runs_in(folder):
        newest = max(runs, key=lambda run: (run / RECORDING).stat().st_mtime)
        raise ConfigError(f"{folder} holds {len(runs)} runs, wanted one of them; the newest is {newest}")
    problem = "there is no such folder" if not folder.exists() else f"it holds no {RECORDING}"
    known = [str(run) for run in _runs_in(RUNS)]
    hint = did_you_mean(str(folder), known) if known else "`wm launch` makes some"
    raise ConfigError(f"{folder}: {problem}, wanted the folder of a run, {RUNS}/NAME, {hint}")


def _runs_in(folder: Path) -> list[Path]:
    """The recorded runs in a folder."""
    return sorted(path.parent for path in folder.glob(f"*/{RECORDING}"))
