"""One door for all formats of scenarios: what a file is, its content says."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wm_planner.driving.geometry.boxes import boxes, overlap
from wm_planner.driving.scenarios.obstacle_boxes import Others
from wm_planner.driving.scenarios.scenario import Scenario, Start
from wm_planner.driving.scenarios.tracks import YAW
from wm_planner.driving.vehicle.vehicle import BMW_320I
from wm_planner.errors import ScenarioError
from wm_planner.plugins import Registry

READERS = Registry(
    "scenario reader",
    {
        "commonroad": "wm_planner.driving.scenarios.readers.commonroad:read_commonroad",
        "argoverse": "wm_planner.driving.scenarios.readers.argoverse:read_argoverse",
        "scenarionet": "wm_planner.driving.scenarios.readers.scenarionet:read_scenarionet",
        "recording": "wm_planner.driving.bridges.recorded_scenarios:read_recorded_scenario",
    },
)


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
    return tuple(
        f"problem {problem.id}: the ego starts within {what}"
        for problem in scenario.problems
        for what in _around(scenario, problem.start)
    )


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


def _around(scenario: Scenario, start: Start) -> Iterator[str]:
    """Agents and obstacles that an ego at a start touches, or stands on."""
    others = Others.recorded(replace(scenario, occupancies=()), start.step, 1).seen()
    ego = boxes(start.state[: YAW + 1], BMW_320I.size)
    touched = set(others.bodies[overlap(ego, boxes(others.states[0], others.sizes))].tolist())
    yield from (f"agent {identity}" for identity in scenario.tracks.ids if identity in touched)
    for obstacle in scenario.obstacles:
        if obstacle.id in touched or any(shape.contains(start.state[:2]) for shape in obstacle.shapes):
            yield f"obstacle {obstacle.id}"
