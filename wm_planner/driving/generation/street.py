"""Examples on streets with parked cars: an occluded pedestrian, and a passage too narrow for two cars."""

from typing import Any

import numpy as np

from wm_planner.driving.generation.example import (
    CAR,
    DT,
    PEDESTRIAN,
    VAN,
    Agent,
    Example,
    make_example,
)
from wm_planner.driving.geometry.shapes import Rectangle
from wm_planner.driving.scenarios.building import (
    Course,
    Pose,
    drive_along,
    lane,
)
from wm_planner.driving.scenarios.road import Lane, Neighbour
from wm_planner.driving.scenarios.scenario import Goal

BEGIN = -100.0  # m, x at which streets begin

TOWN: dict[str, Any] = {"speed_limit": 13.89, "kinds": frozenset({"urban"})}  # 50 km/h
ZONE: dict[str, Any] = {"speed_limit": 8.33, "kinds": frozenset({"urban"})}  # 30 km/h


def pedestrian() -> Example:
    """A pedestrian steps out from behind a parked van; an oncoming car lets them cross."""
    steps = 141
    y = 1.75
    lanes = _two_way(280.0, 2 * y, TOWN)
    strip, pavement = (Course(Pose(BEGIN, at, 0.0)).straight(280.0) for at in (-4.6, -6.95))
    lanes.append(lane(3, strip, 0.0, 2.2, kinds=frozenset({"parking"}), left_neighbour=Neighbour(1, True)))
    lanes.append(
        lane(4, pavement, 0.0, 2.5, kinds=frozenset({"sidewalk"}), one_way=frozenset({"pedestrian"}))
    )
    walk = Course(Pose(60.5, -6.6, np.pi / 2)).straight(20.0)
    back = Course(Pose(180.0, y, np.pi)).straight(200.0)
    agents = [
        Agent(
            "pedestrian",
            PEDESTRIAN,
            drive_along(walk, [(2.0, 0.0), (2.5, 1.4), (11.0, 1.4), (11.5, 0.0)], steps, DT),
        ),
        Agent("car", CAR, drive_along(back, [(0, 10)], steps, DT, 88.0)),
        Agent("car", CAR, drive_along(back, [(3.5, 10), (6.5, 0), (10.5, 0), (13.5, 8)], steps, DT, 52.0)),
    ]
    parked = [Rectangle(np.array([at, -4.65]), *size) for at, size in ((38.0, CAR), (46.0, CAR), (55.5, VAN))]
    street = Course(Pose(0.0, -y, 0.0)).straight(180.0)
    solution = drive_along(street, [(0, 12), (2.5, 12), (5, 3), (6.8, 3), (9.8, 12)], steps, DT)
    goal = Goal((80, 140), (Rectangle(np.array([130.0, -y]), 50.0, 2 * y),))
    return make_example(
        "WmPedestrian", "urban critical two_lane simulated", lanes, agents, solution, goal, parked
    )


def narrow_passage() -> Example:
    """Parked cars on both sides leave room for one car; two oncoming cars go first."""
    steps = 261
    y = 1.5
    lanes = _two_way(280.0, 2 * y, ZONE)
    right = [Rectangle(np.array([at, -2.25]), *CAR) for at in (50.0, 57.0, 64.0, 71.0, 78.0)]
    left = [Rectangle(np.array([at, 2.65]), *CAR) for at in (60.5, 67.5)]
    shift = y - 0.2
    oncoming = (
        Course(Pose(160.0, y, np.pi)).straight(62.0).shift(12.0, shift).straight(42.0).shift(12.0, -shift)
    )
    agents = [
        Agent("car", CAR, drive_along(oncoming.straight(60.0), [(0, v), (4, 7)], steps, DT, begin))
        for begin, v in ((55.0, 7.0), (36.0, 7.0))
    ]
    path = (
        Course(Pose(0.0, -y, 0.0))
        .straight(34.0)
        .shift(12.0, shift + 0.4)
        .straight(38.0)
        .shift(14.0, -shift - 0.4)
    )
    solution = drive_along(
        path.straight(80.0), [(0, 8), (1, 8), (6, 2), (7, 0), (13, 0), (15.5, 6.5)], steps, DT
    )
    goal = Goal((120, 260), (Rectangle(np.array([125.0, -y]), 50.0, 2 * y),))
    tags = "urban oncoming_traffic two_lane simulated"
    return make_example("WmNarrowPassage", tags, lanes, agents, solution, goal, [*right, *left])


def _two_way(length: float, width: float, fields: dict[str, Any]) -> list[Lane]:
    """Lane 1 along x and lane 2 in the opposite direction."""
    there = Course(Pose(BEGIN, -width / 2, 0.0)).straight(length)
    back = Course(Pose(BEGIN + length, width / 2, np.pi)).straight(length)
    return [
        lane(1, there, 0.0, width, left_neighbour=Neighbour(2, False), left_marking="dashed", **fields),
        lane(2, back, 0.0, width, left_neighbour=Neighbour(1, False), left_marking="dashed", **fields),
    ]
