"""How long nodes take from the start of their process until they are active, and `wm --help`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from rich.table import Table

from wm_planner.bench.measurements.loop import loop_spec
from wm_planner.launching.activity import activity_of
from wm_planner.launching.events import Event
from wm_planner.launching.file import LaunchSpec
from wm_planner.launching.run import RECORDING
from wm_planner.launching.supervisor import Supervisor
from wm_planner.terminal import table

ALL_NODES = "all nodes in one process"
HELP = "wm --help"
IMPORTS = "import of typer and rich alone"

_PROGRAMS = {
    HELP: ("-m", "wm_planner.cli", "--help"),
    IMPORTS: ("-c", "import typer.rich_utils, rich.markdown, rich.progress, rich.syntax, rich.traceback"),
}


@dataclass(frozen=True, slots=True)
class Start:
    """Times of one start.

    Attributes:
        cpu_s: CPU time of the process, user and system; of nodes in steps of 0.01 s.
        wall_s: time that passed. A node becomes active only when all have loaded.
    """

    cpu_s: float
    wall_s: float


def measure_starts(launch: str, model: str, repeats: int, folder: Path) -> dict[str, Start]:
    """The median start of each node of a launch file, of all of them in one process, and of `wm --help`.

    Python keeps the bytecode of the modules, as for an installed package, whatever the environment says.

    Args:
        folder: for logs and recordings.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found: dict[str, list[Start]] = {}
    for repeat in range(repeats):
        for is_grouped in (False, True):
            path = folder / f"{repeat}_{is_grouped}"
            name = f"start_{folder.name}_{path.name}"
            spec = loop_spec(launch, model, 1, name, path / RECORDING, ())
            for node, start in _launched(spec, path, is_grouped).items():
                found.setdefault(node, []).append(start)
        for what, program in _PROGRAMS.items():
            found.setdefault(what, []).append(_run(program))
    return {
        what: Start(median(each.cpu_s for each in starts), median(each.wall_s for each in starts))
        for what, starts in found.items()
    }


def start_table(starts: dict[str, Start], title: str) -> Table:
    """The starts as a table."""
    rows = table(title, "what", "CPU s", "wall s")
    for what, start in starts.items():
        rows.add_row(what, f"{start.cpu_s:.2f}", f"{start.wall_s:.2f}")
    return rows


def _launched(spec: LaunchSpec, folder: Path, is_grouped: bool) -> dict[str, Start]:
    """Launch nodes until all are active; the last of a group to be active counts for the group."""
    if is_grouped:
        spec = replace(spec, nodes=tuple(replace(node, group="all", respawn="never") for node in spec.nodes))
    started: dict[str, tuple[int, float]] = {}
    active: dict[str, Start] = {}

    def note(event: Event) -> None:
        if event.kind == "started":
            started[event.node] = int(event.detail.removeprefix("process ")), time.monotonic()
        elif event.kind == "active":
            pid, began_s = started[event.node]
            activity = activity_of(pid)
            if activity is not None:
                cpu_s = activity.cpu_ticks / os.sysconf("SC_CLK_TCK")
                active[event.node] = Start(cpu_s, time.monotonic() - began_s)
            if len(active) == len(spec.nodes):
                supervisor.interrupt("all are active")

    supervisor = Supervisor(spec, folder, spec.name, on_event=note)
    supervisor.run()
    return {ALL_NODES: max(active.values(), key=lambda each: each.wall_s)} if is_grouped else active


def _run(program: Iterable[str]) -> Start:
    began_s = time.monotonic()
    process = subprocess.Popen([sys.executable, *program], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Start(usage.ru_utime + usage.ru_stime, time.monotonic() - began_s)
