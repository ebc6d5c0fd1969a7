"""Read CommonRoad XML, versions 2018b and 2020a.

Not read: signal lights of agents, location and weather, and states of agents other than x, y, yaw and v.
Uncertain states and occupancy sets become occupancies; see `tracks.Occupancy`.

Source: the 2020a schema and format description of CommonRoad (Althoff et al. 2017).
"""

import re
from pathlib import Path

from wm_planner.driving.scenarios.readers.commonroad_agents import read_objects
from wm_planner.driving.scenarios.readers.commonroad_road import by_id, existing_ids, read_road
from wm_planner.driving.scenarios.readers.commonroad_states import (
    read_angles,
    read_exact_state,
    read_interval,
    read_shapes,
    read_steps,
)
from wm_planner.driving.scenarios.readers.limits import START_SPEEDS, STEPS_S
from wm_planner.driving.scenarios.readers.xml import Element, parse, parse_bytes
from wm_planner.driving.scenarios.road import Road
from wm_planner.driving.scenarios.scenario import (
    Goal,
    Origin,
    PlanningProblem,
    Scenario,
    Start,
)
from wm_planner.errors import ShapeError, did_you_mean

VERSIONS = ("2018b", "2020a")

_TAG = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def read_commonroad(path: Path) -> Scenario:
    """Read a scenario from a CommonRoad XML file.

    Raises:
        ScenarioError: if the file is invalid, with the file, line and element.
    """
    return _scenario(parse(path))


def parse_commonroad(text: bytes, name: str) -> Scenario:
    """Parse a scenario from CommonRoad XML; `name` identifies it in errors."""
    return _scenario(parse_bytes(text, name))


def _scenario(root: Element) -> Scenario:
    if root.tag != "commonRoad":
        raise root.error("is not a CommonRoad scenario, wanted <commonRoad>")
    version = root.attribute("commonRoadVersion")
    if version not in VERSIONS:
        raise root.error(f"has version '{version}', {did_you_mean(version, VERSIONS)}")
    try:
        return _read(root)
    except ShapeError as error:
        raise root.error(f"cannot be used: {error}") from None


def _read(root: Element) -> Scenario:
    notes: list[str] = []
    dt = _dt(root)
    by_id([element for element in root if element.attribute("id", "")], Element.id)  # unique across all kinds
    road = read_road(root, notes)
    if not road.lanes:
        notes.append("no lanes: there is no drivable area")
    objects = read_objects(root, dt, notes)
    return Scenario(
        id=root.attribute("benchmarkID"),
        dt=dt,
        road=road,
        tracks=objects.tracks,
        obstacles=objects.obstacles,
        occupancies=objects.occupancies,
        problems=tuple(by_id(root.children("planningProblem"), lambda e: _problem(e, road, notes)).values()),
        origin=_origin(root, notes),
        repairs=tuple(notes),
    )


def _dt(root: Element) -> float:
    text = root.attribute("timeStepSize")
    try:
        dt = float(text)
    except ValueError:
        dt = 0.0
    shortest, longest = STEPS_S
    if not shortest <= dt <= longest:
        raise root.error(
            f"has a timeStepSize of '{text[:40]}', wanted seconds from {shortest:g} to {longest:g}"
        )
    return dt


def _origin(root: Element, notes: list[str]) -> Origin:
    elements = root.find("scenarioTags")
    tags = {*root.attribute("tags", "").split(), *(element.tag for element in elements or ())}
    invalid = {tag for tag in tags if not _TAG.fullmatch(tag)}
    notes.extend(f"tag '{tag[:40]}' is not a word: left out" for tag in sorted(invalid))
    names = ("author", "affiliation", "source", "date")
    author, affiliation, source, date = (root.attribute(name, "") for name in names)
    return Origin(author, affiliation, source, date, frozenset(tags - invalid))


def _problem(element: Element, road: Road, notes: list[str]) -> PlanningProblem:
    goals = tuple(_goal(goal, road, notes) for goal in element.children("goalState"))
    if not goals:
        raise element.error("has no <goalState>; a planning problem needs one or more")
    return PlanningProblem(element.id(), _start(element.child("initialState")), goals)


def _start(element: Element) -> Start:
    initial = read_exact_state(element)
    x, y, yaw, _ = initial.state.tolist()
    (v, _) = read_interval(element.child("velocity"), START_SPEEDS)
    extra = (element.find(tag) for tag in ("acceleration", "yawRate", "slipAngle"))
    acceleration, yaw_rate, slip = (0.0 if child is None else read_interval(child)[0] for child in extra)
    return Start(x, y, yaw, v, acceleration, yaw_rate, slip, initial.step)


def _goal(element: Element, road: Road, notes: list[str]) -> Goal:
    position, yaw, v = (element.find(tag) for tag in ("position", "orientation", "velocity"))
    lanes = () if position is None else position.ids("lanelet")
    shapes = () if position is None or lanes else read_shapes(position)
    if lanes and not existing_ids(lanes, road.lanes, "goal: lane", notes):
        raise element.error(f"lies on the lanes {lanes}, none of which is in the file")
    return Goal(
        steps=read_steps(element.child("time")),
        shapes=shapes,
        lanes=tuple(lane for lane in lanes if lane in road.lanes),
        yaw=None if yaw is None else read_angles(yaw),
        v=None if v is None else _speeds(v),
    )


def _speeds(element: Element) -> tuple[float, float]:
    low, high = read_interval(element)
    if low > high:
        raise element.error(f"goes from {low:g} to {high:g}, wanted the lower bound first")
    return low, high
