"""Where roads meet: an unprotected left turn, and a roundabout."""

from typing import Any

import numpy as np

from wm_planner.driving.generation.example import (
    CAR,
    DT,
    VAN,
    Agent,
    Example,
    example,
)
from wm_planner.driving.geometry.shapes import rotation
from wm_planner.driving.scenarios.building import (
    Course,
    Pose,
    drive_along,
    lane,
)
from wm_planner.driving.scenarios.road import Incoming, Intersection, Lane
from wm_planner.driving.scenarios.scenario import Goal

HALF = 1.75  # m from the axis of a road to the centre of a lane
BOX = 11.0  # m from the middle of the crossing to where it begins
ARM = 130.0  # m from there on

OUT = 110.0  # m, of the roads that lead to a roundabout
RING = 16.0  # m, radius of a roundabout's centre line
YIELD = 32.0  # m from its middle to where one gives way
SPREAD = np.radians(35.0)  # on the ring, from an arm's axis to where it branches

STREET: dict[str, Any] = {"speed_limit": 13.89, "kinds": frozenset({"urban"})}
INSIDE: dict[str, Any] = {"speed_limit": 13.89, "kinds": frozenset({"urban", "intersection"})}

SOUTH, EAST, NORTH, WEST = range(4)


def left_turn() -> Example:
    """Across oncoming traffic, in a gap between its third and its fourth car."""
    steps = 141
    lanes, crossing = crossing_lanes()
    oncoming = Course(_inwards(NORTH, BOX + ARM)).straight(2 * (BOX + ARM))
    agents = [
        Agent("car", size, drive_along(oncoming, [(0, 12)], steps, DT, BOX + ARM - y))
        for y, size in ((28.0, CAR), (46.0, CAR), (66.0, VAN), (140.0, CAR))
    ]
    waiting = Course(_inwards(WEST, BOX + ARM)).straight(ARM)
    agents.append(Agent("car", CAR, drive_along(waiting, [(0, 0)], steps, DT, ARM - 4.0)))
    path = Course(_inwards(SOUTH, 46.0)).straight(46.0 - BOX).bend_to(_outwards(WEST, BOX)).straight(ARM)
    answer = drive_along(path, [(0, 10), (3, 4), (5, 4), (10.5, 6), (13, 10)], steps, DT)
    goal = Goal((60, 140), lanes=(20 + WEST,), yaw=(np.pi - 0.3, np.pi + 0.3))
    tags = "urban intersection oncoming_traffic turn_left simulated"
    return example("WmLeftTurn", tags, lanes, agents, answer, goal, intersections=(crossing,))


def roundabout() -> Example:
    """Give way to two cars on the ring, and leave it on the far side."""
    steps = 241
    lanes = [lane for k in range(4) for lane in _quarter(k)]
    course = {name: _ring(*name) for name in ((WEST, EAST), (SOUTH, NORTH), (NORTH, EAST), (EAST, WEST))}
    agents = [
        Agent("car", CAR, drive_along(course[WEST, EAST], [(0, 7)], steps, DT, 41.0)),
        Agent("car", CAR, drive_along(course[NORTH, EAST], [(0, 7)], steps, DT, 36.0)),
        Agent(
            "car", CAR, drive_along(course[EAST, WEST], [(0, 6), (3, 0), (13, 0), (16, 6)], steps, DT, 14.0)
        ),
    ]
    answer = drive_along(course[SOUTH, NORTH], [(0, 8), (4, 3), (7, 1.5), (9.5, 2), (12, 7)], steps, DT, 10.0)
    goal = Goal((80, 240), lanes=(60 + NORTH,), yaw=(np.pi / 2 - 0.3, np.pi / 2 + 0.3))
    return example("WmRoundabout", "urban roundabout simulated", lanes, agents, answer, goal)


def crossing_lanes() -> tuple[list[Lane], Intersection]:
    """Four arms of ARM m with a lane each way, and all turns between them."""
    arms = range(4)
    lanes = [
        lane(10 + k, Course(_inwards(k, BOX + ARM)).straight(ARM), successors=_turns(k), **STREET)
        for k in arms
    ]
    lanes += [_exit(k) for k in arms]
    lanes += [turn for k in arms for turn in _turn_lanes(k)]
    incoming = tuple(Incoming(51 + k, (10 + k,), *((i,) for i in _turns(k))) for k in arms)
    return lanes, Intersection(50, incoming)


def over_crossing(enter: int, leave: int) -> Course:
    """The course in from the end of one arm and out to the end of another."""
    return Course(_inwards(enter, BOX + ARM)).straight(ARM).bend_to(_outwards(leave, BOX)).straight(ARM)


def _pose(arm: int, x: float, y: float, yaw: float) -> Pose:
    """A pose given in an arm's frame: x outwards along its axis, y to the left of that."""
    turn = (arm - 1) * np.pi / 2
    (px, py) = (rotation(turn) @ (x, y)).tolist()
    return Pose(px, py, turn + yaw)


def _inwards(arm: int, distance: float) -> Pose:
    return _pose(arm, distance, HALF, np.pi)


def _outwards(arm: int, distance: float) -> Pose:
    return _pose(arm, distance, -HALF, 0.0)


def _turns(arm: int) -> tuple[int, int, int]:
    """Ids of the lanes that go left, straight on and right."""
    return 30 + 3 * arm, 31 + 3 * arm, 32 + 3 * arm


def _goes_to(arm: int) -> tuple[int, int, int]:
    """Arms to the left, straight on and to the right."""
    return (arm + 3) % 4, (arm + 2) % 4, (arm + 1) % 4


def _exit(arm: int) -> Lane:
    arriving = tuple(i for k in range(4) for i, to in zip(_turns(k), _goes_to(k), strict=True) if to == arm)
    return lane(20 + arm, Course(_outwards(arm, BOX)).straight(ARM), predecessors=arriving, **STREET)


def _turn_lanes(arm: int) -> list[Lane]:
    begin = Course(_inwards(arm, BOX))
    return [
        lane(i, begin.bend_to(_outwards(to, BOX)), predecessors=(10 + arm,), successors=(20 + to,), **INSIDE)
        for i, to in zip(_turns(arm), _goes_to(arm), strict=True)
    ]


def _on_ring(angle: float) -> Pose:
    return Pose(RING * float(np.cos(angle)), RING * float(np.sin(angle)), angle + np.pi / 2)


def _axis(arm: int) -> float:
    return (arm - 1) * np.pi / 2


def _quarter(arm: int) -> list[Lane]:
    """The lanes of one arm, and the ring past it and on to the next arm.

    Ids are the arm's number and 10 in, 20 entry, 30 ring past the arm, 40 ring to the next, 50 exit, 60 out.
    """
    after, before = (arm + 1) % 4, (arm + 3) % 4
    join, leave = _on_ring(_axis(arm) + SPREAD), _on_ring(_axis(arm) - SPREAD)
    wide: dict[str, Any] = {"width": 4.5, **INSIDE}
    return [
        lane(10 + arm, Course(_inwards(arm, YIELD + OUT)).straight(OUT), successors=(20 + arm,), **STREET),
        lane(
            20 + arm,
            Course(_inwards(arm, YIELD)).bend_to(join),
            predecessors=(10 + arm,),
            successors=(40 + arm,),
            **INSIDE,
        ),
        lane(
            30 + arm,
            Course(leave).arc(2 * SPREAD, RING),
            predecessors=(40 + before,),
            successors=(40 + arm,),
            **wide,
        ),
        lane(
            40 + arm,
            Course(join).arc(np.pi / 2 - 2 * SPREAD, RING),
            predecessors=(30 + arm, 20 + arm),
            successors=(30 + after, 50 + after),
            **wide,
        ),
        lane(
            50 + arm,
            Course(leave).bend_to(_outwards(arm, YIELD)),
            predecessors=(40 + before,),
            successors=(60 + arm,),
            **INSIDE,
        ),
        lane(60 + arm, Course(_outwards(arm, YIELD)).straight(OUT), predecessors=(50 + arm,), **STREET),
    ]


def _ring(enter: int, leave: int) -> Course:
    """From 40 m before the entry of one arm, counter-clockwise, to far out on another."""
    angle = np.mod(_axis(leave) - _axis(enter), 2 * np.pi) - 2 * SPREAD
    course = Course(_inwards(enter, YIELD + 40.0)).straight(40.0).bend_to(_on_ring(_axis(enter) + SPREAD))
    return course.arc(angle, RING).bend_to(_outwards(leave, YIELD)).straight(100.0)
