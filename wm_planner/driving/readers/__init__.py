"""One door for all formats of scenarios: what a file is, its content says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wm_planner.driving.scenario import Scenario
from wm_planner.driving.shapes import Points, Rectangle, Shape
from wm_planner.driving.tracks import YAW
from wm_planner.driving.vehicle import VEHICLES
from wm_planner.errors import ScenarioError
from wm_planner.plugins import Registry

READERS = Registry(
    "scenario reader",
    {
        "commonroad": "wm_planner.driving.readers.commonroad:read_commonroad",
        "argoverse": "wm_planner.driving.readers.argoverse:read_argoverse",
        "scenarionet": "wm_planner.driving.readers.scenarionet:read_scenarionet",
        "recording": "wm_planner.evaluation.recorded_scenarios:read_recorded_scenario",
    },
)

EGO_SIZE = VEHICLES["bmw_320i"].length_m, VEHICLES["bmw_320i"].width_m


class _Format(NamedTuple):
    reader: str
    about: str
    begins: Callable[[bytes], bool]


FORMATS = (
    _Format(
        "commonroad", "CommonRoad XML", lambda head: head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    ),
    _Format("argoverse", "Argoverse 2 parquet", lambda head: head.startswith(b"PAR1")),
    _Format("recording", "a recording (MCAP)", lambda head: head.startswith(b"\x89MCAP0\r\n")),
    _Format("scenarionet", "a ScenarioNet pickle", lambda head: head[:1] == b"\x80"),
)


def read_scenario(path: str | Path) -> Scenario:
    """The scenario in a file of any format that is known.

    Raises:
        ScenarioError: if there is no such file, it is of no known format, or it cannot be read.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror})") from None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ScenarioError(f"{path}: is text in UTF-16, wanted UTF-8; save it so")
    for known in FORMATS:
        if known.begins(head):
            scenario: Scenario = READERS.load(known.reader)(path)
            return replace(scenario, repairs=(*scenario.repairs, *overlaps(scenario), *out_of_time(scenario)))
    raise ScenarioError(f"{path}: is no scenario; wanted {', '.join(known.about for known in FORMATS)}")


def overlaps(scenario: Scenario) -> tuple[str, ...]:
    """A note for each thing that a problem's ego starts in: no drive from there is free of collisions.

    The ego is as large as the vehicle that drives where none is named.
    """
    notes = []
    for problem in scenario.problems:
        x, y, yaw, _ = problem.start.state.tolist()
        ego = Rectangle(np.array([x, y]), *EGO_SIZE, yaw=yaw)
        states, valid = scenario.tracks.at(problem.start.step)
        for row in np.flatnonzero(valid):
            length, width = scenario.tracks.sizes[row].tolist()
            if _touch(ego, Rectangle(states[row, :2], length, width, float(states[row, YAW]))):
                notes.append(f"problem {problem.id}: the ego starts within agent {scenario.tracks.ids[row]}")
        for obstacle in scenario.obstacles:
            if any(_touch(ego, shape) for shape in obstacle.shapes):
                notes.append(f"problem {problem.id}: the ego starts within obstacle {obstacle.id}")
    return tuple(notes)


def out_of_time(scenario: Scenario) -> tuple[str, ...]:
    """A note for each problem that begins after its goal, or after everybody was last seen."""
    notes = []
    for problem in scenario.problems:
        start, last = problem.start.step, max((goal.steps[1] for goal in problem.goals), default=np.inf)
        if last < start:
            notes.append(f"problem {problem.id}: the goal ends at step {last}, before the start at {start}")
        if scenario.tracks.ids and start >= scenario.tracks.steps:
            notes.append(
                f"problem {problem.id}: it starts at step {start}; the last at which an agent is seen is "
                f"{scenario.tracks.steps - 1}"
            )
    return tuple(notes)


def _touch(one: Rectangle, other: Shape) -> bool:
    """Whether two places have a point in common."""
    here, there = one.outline, other.outline
    return bool(one.contains(there).any() or other.contains(here).any() or _cross(here, there))


def _cross(one: Points, other: Points) -> bool:
    """Whether an edge of one outline (P, 2) crosses one of another."""
    a, b = one[:, None], np.roll(one, -1, axis=0)[:, None]
    c, d = other[None], np.roll(other, -1, axis=0)[None]
    apart = [_side(a, b, c) * _side(a, b, d) < 0, _side(c, d, a) * _side(c, d, b) < 0]
    return bool(np.all(apart, axis=0).any())


def _side(a: Points, b: Points, point: Points) -> Points:
    """Above 0 where points lie to the left of the way from a to b."""
    way, to = b - a, point - a
    return way[..., 0] * to[..., 1] - way[..., 1] * to[..., 0]
