"""A small scenario with one element of every kind, and the comparison of scenarios."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from wm_planner.driving.geometry.shapes import Circle, Polygon, Rectangle
from wm_planner.driving.scenarios.road import (
    Incoming,
    Intersection,
    Lane,
    Neighbour,
    Road,
    Sign,
    StopLine,
    TrafficLight,
)
from wm_planner.driving.scenarios.scenario import (
    Goal,
    Origin,
    PlanningProblem,
    Scenario,
    Start,
)
from wm_planner.driving.scenarios.tracks import (
    Obstacle,
    Occupancy,
    Region,
    Tracks,
)

LEFT = np.array([[0.0, 4.0], [25.0, 4.0], [50.0, 4.0]])
STRIP = np.array([0.0, 3.5])
ON = np.array([50.0, 0.0])
HOUSE = np.array([[0.0, 9.0], [9.0, 9.0], [4.0, 12.5]])


def small_scenario() -> Scenario:
    """Two parallel lanes and a successor, a car, a late pedestrian, occupancy sets and static obstacles."""
    about = {"kinds": frozenset({"urban"}), "one_way": frozenset({"car", "bus"}), "speed_limit": 13.9}
    stop = StopLine(np.array([[50.0, 4.0], [50.0, 0.5]]), "solid", lights=(21,))
    lanes = (
        Lane(
            1,
            LEFT,
            LEFT - STRIP,
            successors=(3,),
            right_neighbour=Neighbour(2, False),
            stop_line=stop,
            **about,
        ),
        Lane(
            2,
            (LEFT - 2 * STRIP)[::-1],
            (LEFT - STRIP)[::-1],
            left_neighbour=Neighbour(1, False),
            right_marking="dashed",
        ),
        Lane(
            3,
            LEFT + ON,
            LEFT + ON - STRIP,
            frozenset({"urban", "intersection"}),
            predecessors=(1,),
            signs=(11,),
        ),
    )
    road = Road(
        {lane.id: lane for lane in lanes},
        {11: Sign(11, (("206", ()), ("310", ("Ulm", "B"))), (50.0, 0.0), True)},
        {21: TrafficLight(21, (("green", 30), ("yellow", 3), ("red", 40)), 7, "left", (51.0, 5.0))},
        (Intersection(31, (Incoming(32, (1,), straight=(3,)),), (2,)),),
    )
    valid = np.ones((3, 4), np.bool_)
    valid[1, :2] = valid[2, 1:] = False
    states = np.arange(48.0).reshape(3, 4, 4) / 7
    return Scenario(
        id="ZAM_Small-1_1_T-1",
        dt=0.1,
        road=road,
        tracks=Tracks(
            (101, 102, 103), ("car", "pedestrian", "truck"), [[4.5, 1.8], [0.5, 0.6], [9, 2.5]], states, valid
        ),
        obstacles=(
            Obstacle(201, "parkedVehicle", (Rectangle(np.array([30.0, 1.0]), 4.5, 1.8, 0.3),)),
            Obstacle(202, "unknown", (Circle(np.array([35.0, 1.0]), 0.7),)),
            Obstacle(203, "building", (Polygon(HOUSE),)),
        ),
        occupancies=(
            Occupancy(103, (Region(1, 1, (Polygon(HOUSE + ON),)),)),
            Occupancy(
                301,
                (Region(2, 5, (Circle(np.array([9.0, 2.0]), 1.5), Rectangle(np.zeros(2), 2.0, 1.0, 0.1))),),
            ),
        ),
        problems=(
            PlanningProblem(
                401,
                Start(2.0, 2.2, 0.01, 8.0, 0.5, 0.02, 0.001, 1),
                (
                    Goal((20, 60), lanes=(3,), yaw=(-0.2, 0.2), v=(3.0, 14.0)),
                    Goal((1, 9), (Circle(np.ones(2), 3.0),)),
                ),
            ),
        ),
        origin=Origin("A. Uthor", "somewhere", "by hand", "2026-11-21", frozenset({"urban", "critical"})),
    )


def differences(
    one: Any, other: Any, at: str = "scenario", apart_from: tuple[str, ...] = ()
) -> Iterator[str]:
    """The locations at which two values differ in any bit; NaN equals NaN."""
    if type(one) is not type(other):
        yield f"{at}: {type(one).__name__} and {type(other).__name__}"
    elif isinstance(one, np.ndarray):
        if one.shape != other.shape or not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            yield f"{at}: arrays {one.shape} and {other.shape} differ"
    elif isinstance(one, Mapping):
        yield from differences(tuple(one.items()), tuple(other.items()), at)
    elif is_dataclass(one) or isinstance(one, tuple):
        yield from _inner_differences(one, other, at, apart_from)
    elif one != other:
        yield f"{at}: {one!r} and {other!r}"


def _inner_differences(one: Any, other: Any, at: str, apart_from: tuple[str, ...]) -> Iterator[str]:
    if is_dataclass(one):
        names = [field.name for field in fields(one) if field.name not in apart_from]
        parts = [(f"{at}.{name}", getattr(one, name), getattr(other, name)) for name in names]
    else:
        if len(one) != len(other):
            yield f"{at}: {len(one)} and {len(other)} entries"
        parts = [(f"{at}[{i}]", a, b) for i, (a, b) in enumerate(zip(one, other, strict=False))]
    for place, a, b in parts:
        yield from differences(a, b, place)
