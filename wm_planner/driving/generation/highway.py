"""Examples on one-way roads: cruising, a cut-in, a merge, and overtaking a slow car."""

from dataclasses import replace
from typing import Any

from wm_planner.driving.generation.example import (
    CAR,
    DT,
    TRUCK,
    Agent,
    Example,
    make_example,
)
from wm_planner.driving.scenarios.building import (
    Course,
    Pose,
    drive_along,
    lane,
)
from wm_planner.driving.scenarios.road import Lane, Neighbour
from wm_planner.driving.scenarios.scenario import Goal

WIDE = 3.75  # m, width of a motorway lane
URBAN = 3.5  # m, width of an urban lane

MOTORWAY: dict[str, Any] = {"speed_limit": 36.11, "kinds": frozenset({"highway"})}  # 130 km/h
STREET: dict[str, Any] = {"speed_limit": 13.89, "kinds": frozenset({"urban"})}  # 50 km/h


def cruise() -> Example:
    """Follow a slower car through a bend, with faster cars on the left and trucks on the right."""
    steps = 121
    bend = Course(Pose(0.0, 0.0, 0.0)).straight(150.0).arc(0.12, 1250.0)
    whole = bend.straight(450.0)
    lanes = parallel_lanes([bend, Course(bend.end).straight(450.0)], 3, WIDE, MOTORWAY)

    def car(begin: float, row: int, v: float, size: tuple[float, float] = CAR) -> Agent:
        kind = "truck" if size == TRUCK else "car"
        return Agent(kind, size, drive_along(whole, [(0, v)], steps, DT, begin, row * WIDE))

    agents = [car(115, 0, 24), car(20, 0, 25), car(25, 1, 33), car(150, 1, 32)]
    agents += [car(95, -1, 22, TRUCK), car(170, -1, 22, TRUCK)]
    solution = drive_along(whole, [(0, 27), (3, 24)], steps, DT, 60)
    goal = Goal((90, 120), lanes=(21, 22, 23), v=(15.0, 36.11))
    return make_example("WmCruise", "highway multi_lane comfort simulated", lanes, agents, solution, goal)


def cut_in() -> Example:
    """A slower car cuts into the ego's lane while the left lane is occupied."""
    steps = 121
    first = Course(Pose(0.0, 0.0, 0.0)).straight(300.0)
    right, left = first.straight(350.0), Course(Pose(0.0, WIDE, 0.0)).straight(650.0)
    lanes = parallel_lanes([first, Course(first.end).straight(350.0)], 2, WIDE, MOTORWAY)
    cutter = Course(Pose(85.0, WIDE, 0.0)).straight(36.0).shift(80.0, -WIDE).straight(400.0)
    agents = [
        Agent("car", CAR, drive_along(cutter, [(0, 24)], steps, DT)),
        Agent("car", CAR, drive_along(left, [(0, 28), (4, 25)], steps, DT, 38.0)),
        Agent("car", CAR, drive_along(right, [(0, 26)], steps, DT, 185.0)),
    ]
    solution = drive_along(right, [(0, 28), (1.5, 28), (4.5, 23), (6, 24)], steps, DT, 50.0)
    goal = Goal((90, 120), lanes=(21, 22), v=(15.0, 36.11))
    return make_example("WmCutIn", "highway cut_in critical simulated", lanes, agents, solution, goal)


def merge() -> Example:
    """Merge from a ramp into a gap in the right lane before the acceleration lane ends."""
    steps = 161
    starts = (Pose(-60.0, 0.0, 0.0), Pose(200.0, 0.0, 0.0), Pose(420.0, 0.0, 0.0))
    courses = [Course(pose).straight(n) for pose, n in zip(starts, (260.0, 220.0, 280.0), strict=True)]
    lanes = parallel_lanes(courses, 2, WIDE, MOTORWAY)
    ramp = Course(Pose(50.0, -32.0, 0.3)).bend_to(Pose(200.0, -WIDE, 0.0))
    slip = Course(ramp.end).straight(220.0)
    access: dict[str, Any] = {"speed_limit": 36.11, "kinds": frozenset({"highway", "accessRamp"})}
    lanes = [replace(each, right_neighbour=Neighbour(41, True)) if each.id == 21 else each for each in lanes]
    lanes.append(lane(40, ramp, 0.0, WIDE, successors=(41,), **access))
    lanes.append(lane(41, slip, 0.0, WIDE, predecessors=(40,), left_neighbour=Neighbour(21, True), **access))
    main = Course(Pose(-60.0, 0.0, 0.0)).straight(760.0)
    agents = [
        Agent("car", CAR, drive_along(main, [(0, 25)], steps, DT, 60.0 + x))
        for x in (-35.0, 28.0, 92.0, 150.0)
    ]
    agents += [
        Agent("car", CAR, drive_along(main, [(0, 30)], steps, DT, 60.0 + x, WIDE)) for x in (-10.0, 110.0)
    ]
    path = ramp.straight(18.0).shift(80.0, WIDE).straight(400.0)
    solution = drive_along(path, [(0, 18), (5, 25)], steps, DT, 22.0)
    goal = Goal((100, 160), lanes=(31, 32), v=(15.0, 36.11))
    return make_example("WmMerge", "highway merging_lanes slip_road simulated", lanes, agents, solution, goal)


def slow_car() -> Example:
    """Overtake a slow car on the left lane, which is free once two cars have passed."""
    steps = 181
    first = Course(Pose(-80.0, 0.0, 0.0)).straight(230.0)
    right = first.straight(200.0)
    lanes = parallel_lanes([first, Course(first.end).straight(200.0)], 2, URBAN, STREET)
    agents = [Agent("car", CAR, drive_along(right, [(0, 4)], steps, DT, 155.0))]
    agents += [
        Agent("car", CAR, drive_along(right, [(0, v)], steps, DT, 80.0 + x, URBAN)) for x, v in _PASSING
    ]
    path = Course(Pose(30.0, 0.0, 0.0)).straight(42.0).shift(30.0, URBAN).straight(40.0).shift(32.0, -URBAN)
    solution = drive_along(path.straight(200.0), [(0, 13), (2.5, 7), (5, 7), (8, 12.5)], steps, DT)
    goal = Goal((100, 180), lanes=(21,), v=(5.0, 13.89))
    return make_example("WmSlowCar", "urban multi_lane lane_change simulated", lanes, agents, solution, goal)


_PASSING = ((30.0, 13.5), (12.0, 13.5), (-60.0, 12.0))  # m, m/s


def parallel_lanes(courses: list[Course], count: int, width: float, fields: dict[str, Any]) -> list[Lane]:
    """`count` parallel lanes along consecutive courses, one section per course.

    Lane 10 k + n is the n-th lane from the right in section k, both counted from 1. The course is the centre
    of the first lane, or of the second one if there are three.

    Args:
        fields: other fields of every Lane.
    """
    shift = 1 if count == 3 else 0
    return [
        lane(
            10 * k + n,
            course,
            (n - 1 - shift) * width,
            width,
            predecessors=(10 * (k - 1) + n,) if k > 1 else (),
            successors=(10 * (k + 1) + n,) if k < len(courses) else (),
            left_neighbour=Neighbour(10 * k + n + 1, True) if n < count else None,
            right_neighbour=Neighbour(10 * k + n - 1, True) if n > 1 else None,
            left_marking="dashed" if n < count else "solid",
            right_marking="dashed" if n > 1 else "solid",
            **fields,
        )
        for k, course in enumerate(courses, start=1)
        for n in range(1, count + 1)
    ]
