"""Write CommonRoad scenario XML, version 2020a; `readers.commonroad` restores the same scenario.

Speed limits are written as signs 274, which every reader of the format accepts for any country.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wm_planner.driving.scenarios.scenario import (
    Goal,
    PlanningProblem,
    Scenario,
    Start,
)
from wm_planner.driving.scenarios.writers.commonroad_agents import object_nodes, shape_node, state_node
from wm_planner.driving.scenarios.writers.commonroad_road import road_nodes
from wm_planner.driving.scenarios.writers.xml import (
    Node,
    decimal,
    document,
    interval,
    node,
    refs,
    save,
    step_interval,
)
from wm_planner.errors import ScenarioError

_UNKNOWN_LOCATION = (
    ("geoNameId", "-999"),
    ("gpsLatitude", "999"),
    ("gpsLongitude", "999"),
)  # CommonRoad's "unknown"


def write_commonroad(scenario: Scenario, path: str | Path) -> tuple[str, ...]:
    """Write a scenario to a file.

    Returns:
        The content that the format cannot represent and that was omitted, one sentence per item.

    Raises:
        ScenarioError: if the file cannot be written.
    """
    save(_root(scenario), Path(path))
    return omitted_content(scenario)


def commonroad_text(scenario: Scenario) -> bytes:
    """The XML of a scenario."""
    return document(_root(scenario))


def omitted_content(scenario: Scenario) -> tuple[str, ...]:
    """The content that CommonRoad cannot represent."""
    omitted = []
    if scenario.ego is not None:
        omitted.append("the ego's recorded drive")
    if scenario.road.areas:
        omitted.append(f"{len(scenario.road.areas)} drivable areas other than lanes")
    omitted.extend(
        f"problem {problem.id}, which has no goal" for problem in scenario.problems if not problem.goals
    )
    return tuple(omitted)


def _root(scenario: Scenario) -> Node:
    try:
        return _nodes(scenario)
    except ValueError as error:  # from lxml, for control characters and names with blanks
        raise ScenarioError(f"scenario '{scenario.id}' has text that XML cannot represent: {error}") from None


def _nodes(scenario: Scenario) -> Node:
    origin = scenario.origin
    root = node(
        "commonRoad",
        node("location", *(node(tag, text=text) for tag, text in _UNKNOWN_LOCATION)),
        node("scenarioTags", *(node(tag) for tag in sorted(origin.tags))),
        *road_nodes(scenario.road, _limit_signs(scenario)),
        *object_nodes(scenario),
        *(_problem(problem) for problem in scenario.problems if problem.goals),
    )
    for name in ("author", "affiliation", "source", "date"):
        root.set(name, getattr(origin, name))
    root.set("commonRoadVersion", "2020a")
    root.set("benchmarkID", scenario.id)
    root.set("timeStepSize", decimal(scenario.dt))
    return root


def _limit_signs(scenario: Scenario) -> dict[float, int]:
    """New, unused ids for the signs of the speed limits, by limit in m/s."""
    limits = {lane.speed_limit for lane in scenario.road.lanes.values() if np.isfinite(lane.speed_limit)}
    free = 1 + max(_ids(scenario), default=0)
    return {limit: free + i for i, limit in enumerate(sorted(limits))}


def _ids(scenario: Scenario) -> Iterator[int]:
    road = scenario.road
    yield from (*road.lanes, *road.signs, *road.lights, *scenario.tracks.ids)
    yield from (obstacle.id for obstacle in scenario.obstacles)
    yield from (occupancy.id for occupancy in scenario.occupancies)
    yield from (problem.id for problem in scenario.problems)
    yield from (intersection.id for intersection in road.intersections)
    yield from (arm.id for intersection in road.intersections for arm in intersection.incomings)


def _problem(problem: PlanningProblem) -> Node:
    return node("planningProblem", _start(problem.start), *map(_goal, problem.goals), id=str(problem.id))


def _start(start: Start) -> Node:
    quantities = {
        "velocity": start.v,
        "acceleration": start.acceleration,
        "yawRate": start.yaw_rate,
        "slipAngle": start.slip_angle,
    }
    return state_node("initialState", (start.x, start.y), start.yaw, start.step, **quantities)


def _goal(goal: Goal) -> Node:
    places = [*map(shape_node, goal.shapes), *refs("lanelet", goal.lanes)]
    return node(
        "goalState",
        step_interval(*goal.steps),
        *([node("position", *places)] if places else []),
        *([] if goal.yaw is None else [interval("orientation", goal.yaw)]),
        *([] if goal.v is None else [interval("velocity", goal.v)]),
    )
