"""How regular the commands of a controller are in realtime, by a run of a launch file."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.table import Table

from wm_planner.clock import seconds
from wm_planner.errors import SimulationError
from wm_planner.launching import file as launch_file
from wm_planner.launching.run import RECORDING, recorded_to
from wm_planner.launching.supervisor import Supervisor
from wm_planner.recording.player import Player
from wm_planner.terminal import table

COMMANDS = ("/command", "/drive")
LEFT_OUT = 20  # commands at the begin of a run


class PeriodRow(msgspec.Struct, frozen=True):
    """Times between two commands, in s.

    Attributes:
        by: "stamp", at which they were computed; "publication"; or "arrival" at the recorder.
        count: how many there were.
        median, p99, longest: of them.
    """

    by: str
    count: int
    median: float
    p99: float
    longest: float


def period_rows(launch: str, overrides: Sequence[str], folder: Path) -> list[PeriodRow]:
    """Run a launch file in realtime, and read from its recording when commands were sent.

    Raises:
        SimulationError: if it recorded too few commands.
    """
    name = f"period_{folder.name}"
    spec = launch_file.load(launch_file.find(launch), name, [*overrides, "clock=realtime"])
    Supervisor(recorded_to(spec, folder / RECORDING), folder, domain=name).run()
    player = Player(folder / RECORDING)
    topics = [topic for topic in COMMANDS if topic in player.topics]
    recorded = player.messages(topics) if topics else ()
    times = np.array([_times(each) for each in recorded][LEFT_OUT:])
    if len(times) < 2:
        raise SimulationError(f"{launch} recorded {len(times)} commands: see {folder}")
    return [_row(by, np.diff(times[:, at])) for at, by in enumerate(("stamp", "publication", "arrival"))]


def period_table(rows: Sequence[PeriodRow], launch: str, rate_hz: float) -> Table:
    printed = table(
        f"{launch} in realtime: time between two commands, {1000 / rate_hz:g} ms wanted",
        *("by", "times", "median", "p99", "longest", "p99 / period"),
    )
    for row in rows:
        values = (f"{1000 * value:.2f} ms" for value in (row.median, row.p99, row.longest))
        printed.add_row(row.by, str(row.count), *values, f"{row.p99 * rate_hz:.2f}")
    return printed


def _times(recorded: object) -> tuple[float, float, float]:
    """When a command was computed, published and recorded, in s."""
    stamps = (getattr(recorded, name) for name in ("stamp_ns", "publish_time_ns", "log_time_ns"))
    first, second, third = (seconds(each) for each in stamps)
    return first, second, third


def _row(by: str, between: np.ndarray) -> PeriodRow:
    median, p99, longest = np.quantile(between, [0.5, 0.99, 1.0]).tolist()
    return PeriodRow(by, len(between), median, p99, longest)
