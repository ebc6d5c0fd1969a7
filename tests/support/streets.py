"""Straight streets along x with a planning problem."""

from dataclasses import replace

import numpy as np

from wm_planner.driving.geometry.shapes import Rectangle
from wm_planner.driving.scenarios.building import Course, Pose, lane
from wm_planner.driving.scenarios.road import Neighbour, Road, TrafficLight
from wm_planner.driving.scenarios.scenario import (
    Goal,
    PlanningProblem,
    Scenario,
    Start,
)
from wm_planner.driving.scenarios.tracks import Obstacle, Tracks

DT = 0.1
WIDTH = 3.5
LIMIT = 15.0


def street(agents=(), steps=100, rows=1, light=None, length=400.0, goal_x=100.0, fields=None):
    """`rows` parallel lanes, the first along y = 0; the ego starts at x = 0 with 10 m/s.

    Args:
        agents: x, lane row and speed of cars at constant speed; `(x, row, v, kind)` for other kinds.
        light: phases of a traffic light at the end of the first lane, at x = 60.
        fields: other fields of the scenario.
    """
    lanes = []
    ends = [(-50.0, 60.0), (60.0, length)] if light else [(-50.0, length)]
    for piece, (begin, end) in enumerate(ends, start=1):
        course = Course(Pose(begin, 0.0, 0.0)).straight(end - begin)
        for row in range(rows):
            lanes.append(
                lane(
                    10 * piece + row,
                    course,
                    row * WIDTH,
                    WIDTH,
                    speed_limit=LIMIT,
                    successors=(10 * (piece + 1) + row,) if piece < len(ends) else (),
                    predecessors=(10 * (piece - 1) + row,) if piece > 1 else (),
                    left_neighbour=Neighbour(10 * piece + row + 1, True) if row < rows - 1 else None,
                    right_neighbour=Neighbour(10 * piece + row - 1, True) if row else None,
                    lights=(7,) if light and piece == 1 else (),
                )
            )
    lights = {7: TrafficLight(7, light)} if light else {}
    goal = Goal((0, steps), (Rectangle(np.array([goal_x + 10.0, 0.0]), 20.0, 3.0),))
    scenario = Scenario(
        id="street",
        dt=DT,
        road=Road({each.id: each for each in lanes}, lights=lights),
        tracks=cars(agents, steps),
        problems=(PlanningProblem(1, Start(0.0, 0.0, 0.0, 10.0), (goal,)),),
    )
    return replace(scenario, **(fields or {}))


def cars(agents, steps):
    """Tracks of agents (x, row, v[, kind]) at constant speed."""
    states = np.zeros((len(agents), steps, 4))
    kinds = []
    for number, (x, row, v, *kind) in enumerate(agents):
        states[number, :, 0] = x + v * DT * np.arange(steps)
        states[number, :, 1] = row * WIDTH
        states[number, :, 3] = v
        kinds.append(kind[0] if kind else "car")
    valid = np.ones((len(agents), steps), np.bool_)
    sizes = np.tile([4.5, 1.8], (len(agents), 1))
    return Tracks(tuple(range(101, 101 + len(agents))), tuple(kinds), sizes, states, valid)


def parked(x, y=0.0):
    """A parked car, as an obstacle."""
    return Obstacle(301, "parkedVehicle", (Rectangle(np.array([x, y]), 4.5, 1.8),))
