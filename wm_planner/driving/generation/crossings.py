"""Examples at intersections: an unprotected left turn, and a roundabout."""

from typing import Any

import numpy as np

from wm_planner.driving.generation.example import (
    CAR,
    DT,
    VAN,
    Agent,
    Example,
    make_example,
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

HALF_LANE = 1.75  # m, from a road's axis to the centre of a lane
BOX = 11.0  # m, from the centre of the intersection to its edge
ARM = 130.0  # m, length of an arm outside of the intersection

OUT = 110.0  # m, length of the roads that lead to the roundabout
RING_RADIUS = 16.0  # m, of the ring's centre line
YIELD = 32.0  # m, from the centre of the roundabout to the yield line
SPREAD = np.radians(35.0)  # angle on the ring between an arm's axis and its entry or exit

STREET: dict[str, Any] = {"speed_limit": 13.89, "kinds": frozenset({"urban"})}
INTERSECTION: dict[str, Any] = {"speed_limit": 13.89, "kinds": frozenset({"urban", "intersection"})}

SOUTH, EAST, NORTH, WEST = range(4)


def left_turn() -> Example:
    """Turn left across oncoming traffic, in the gap between its third and its fourth car."""
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
    solution = drive_along(path, [(0, 10), (3, 4), (5, 4), (10.5, 6), (13, 10)], steps, DT)
    goal = Goal((60, 140), lanes=(20 + WEST,), yaw=(np.pi - 0.3, np.pi + 0.3))
    tags = "urban intersection oncoming_traffic turn_left simulated"
    return make_example("WmLeftTurn", tags, lanes, agents, solution, goal, intersections=(crossing,))


def roundabout() -> Example:
    """Yield to two cars on the ring, and leave it on the far side."""
    steps = 241
    lanes = [lane for k in range(4) for lane in _roundabout_lanes(k)]
    course = {
        name: _roundabout_course(*name)
        for name in ((WEST, EAST), (SOUTH, NORTH), (NORTH, EAST), (EAST, WEST))
    }
    agents = [
        Agent("car", CAR, drive_along(course[WEST, EAST], [(0, 7)], steps, DT, 41.0)),
        Agent("car", CAR, drive_along(course[NORTH, EAST], [(0, 7)], steps, DT, 36.0)),
        Agent(
            "car", CAR, drive_along(course[EAST, WEST], [(0, 6), (3, 0), (13, 0), (16, 6)], steps, DT, 14.0)
        ),
    ]
    solution = drive_along(
        course[SOUTH, NORTH], [(0, 8), (4, 3), (7, 1.5), (9.5, 2), (12, 7)], steps, DT, 10.0
    )
    goal = Goal((80, 240), lanes=(60 + NORTH,), yaw=(np.pi / 2 - 0.3, np.pi / 2 + 0.3))
    return make_example("WmRoundabout", "urban roundabout simulated", lanes, agents, solution, goal)


def crossing_lanes() -> tuple[list[Lane], Intersection]:
    """Four arms of ARM m with one lane per direction, and all turns between them."""
    arms = range(4)
    lanes = [
        lane(10 + k, Course(_inwards(k, BOX + ARM)).straight(ARM), successors=_turns(k), **STREET)
        for k in arms
    ]
    lanes += [_exit_lane(k) for k in arms]
    lanes += [turn for k in arms for turn in _turn_lanes(k)]
    incoming = tuple(Incoming(51 + k, (10 + k,), *((i,) for i in _turns(k))) for k in arms)
    return lanes, Intersection(50, incoming)


def crossing_course(enter: int, leave: int) -> Course:
    """The course from the outer end of one arm to the outer end of another."""
    return Course(_inwards(enter, BOX + ARM)).straight(ARM).bend_to(_outwards(leave, BOX)).straight(ARM)


def _pose(arm: int, x: float, y: float, yaw: float) -> Pose:
    """A pose from an arm's frame (x outwards along the arm's axis, y to its left) in the map frame."""
    turn = (arm - 1) * np.pi / 2
    (px, py) = (rotation(turn) @ (x, y)).tolist()
    return Pose(px, py, turn + yaw)


def _inwards(arm: int, distance: float) -> Pose:
    return _pose(arm, distance, HALF_LANE, np.pi)


def _outwards(arm: int, distance: float) -> Pose:
    return _pose(arm, distance, -HALF_LANE, 0.0)


def _turns(arm: int) -> tuple[int, int, int]:
    """Ids of the lanes that turn left, go straight on and turn right."""
    return 30 + 3 * arm, 31 + 3 * arm, 32 + 3 * arm


def _exit_arms(arm: int) -> tuple[int, int, int]:
    """The arms reached by turning left, going straight on and turning right."""
    return (arm + 3) % 4, (arm + 2) % 4, (arm + 1) % 4


def _exit_lane(arm: int) -> Lane:
    arriving = tuple(i for k in range(4) for i, to in zip(_turns(k), _exit_arms(k), strict=True) if to == arm)
    return lane(20 + arm, Course(_outwards(arm, BOX)).straight(ARM), predecessors=arriving, **STREET)


def _turn_lanes(arm: int) -> list[Lane]:
    begin = Course(_inwards(arm, BOX))
    return [
        lane(
            i,
            begin.bend_to(_outwards(to, BOX)),
            predecessors=(10 + arm,),
            successors=(20 + to,),
            **INTERSECTION,
        )
        for i, to in zip(_turns(arm), _exit_arms(arm), strict=True)
    ]


def _on_ring(angle: float) -> Pose:
    return Pose(RING_RADIUS * float(np.cos(angle)), RING_RADIUS * float(np.sin(angle)), angle + np.pi / 2)


def _axis(arm: int) -> float:
    return (arm - 1) * np.pi / 2


def _roundabout_lanes(arm: int) -> list[Lane]:
    """The lanes of one arm, and the part of the ring from this arm to the next.

    Ids are the arm's number plus 10 for the approach, 20 for the entry, 30 for the ring in front of the arm,
    40 for the ring to the next arm, 50 for the exit and 60 for the road out.
    """
    after, before = (arm + 1) % 4, (arm + 3) % 4
    join, leave = _on_ring(_axis(arm) + SPREAD), _on_ring(_axis(arm) - SPREAD)
    wide: dict[str, Any] = {"width": 4.5, **INTERSECTION}
    return [
        lane(10 + arm, Course(_inwards(arm, YIELD + OUT)).straight(OUT), successors=(20 + arm,), **STREET),
        lane(
            20 + arm,
            Course(_inwards(arm, YIELD)).bend_to(join),
            predecessors=(10 + arm,),
            successors=(40 + arm,),
            **INTERSECTION,
        ),
        lane(
            30 + arm,
            Course(leave).arc(2 * SPREAD, RING_RADIUS),
            predecessors=(40 + before,),
            successors=(40 + arm,),
            **wide,
        ),
        lane(
            40 + arm,
            Course(join).arc(np.pi / 2 - 2 * SPREAD, RING_RADIUS),
            predecessors=(30 + arm, 20 + arm),
            successors=(30 + after, 50 + after),
            **wide,
        ),
        lane(
            50 + arm,
            Course(leave).bend_to(_outwards(arm, YIELD)),
            predecessors=(40 + before,),
            successors=(60 + arm,),
            **INTERSECTION,
        ),
        lane(60 + arm, Course(_outwards(arm, YIELD)).straight(OUT), predecessors=(50 + arm,), **STREET),
    ]


def _roundabout_course(enter: int, leave: int) -> Course:
    """From 40 m before the yield line of one arm counter-clockwise round the ring to 100 m out on another."""
    angle = np.mod(_axis(leave) - _axis(enter), 2 * np.pi) - 2 * SPREAD
    course = Course(_inwards(enter, YIELD + 40.0)).straight(40.0).bend_to(_on_ring(_axis(enter) + SPREAD))
    return course.arc(angle, RING_RADIUS).bend_to(_outwards(leave, YIELD)).straight(100.0)
