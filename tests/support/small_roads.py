"""A straight road of five lanes, drives along it, and other agents.

 y
  7  <---- 5 ------------------------  oncoming
3.5  ----- 3 ------><----- 4 ------->
  0  ----- 1 ------><----- 2 ------->
     0            100             200  x
"""

import numpy as np

from wm_planner.driving.geometry.shapes import Rectangle
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.road import Lane, Neighbour, Road
from wm_planner.driving.scenarios.scenario import (
    Goal,
    PlanningProblem,
    Scenario,
    Start,
)
from wm_planner.driving.scenarios.tracks import Tracks
from wm_planner.driving.vehicle.vehicle import Vehicle

DT = 0.1
CAR = Vehicle(length_m=4.0, width_m=2.0, wheelbase_m=2.5, rear_to_centre_m=1.25, max_steering=0.6)
LIMIT = 10.0


def lane(identity, y, x0, x1, back=False, **fields):
    ends = (x1, x0) if back else (x0, x1)
    side = -1.75 if back else 1.75
    left, right = (np.array([(x, y + s) for x in np.linspace(*ends, 6)]) for s in (side, -side))
    return Lane(identity, left, right, speed_limit=LIMIT, **fields)


def lanes(inside=(), lights=()):
    """The lanes of the road: those in `inside` are in an intersection, and lane 1 ends at `lights`."""

    def kinds(identity):
        return frozenset({"intersection"} if identity in inside else {"urban"})

    adjacent = {
        1: {"left_neighbour": Neighbour(3, True)},
        2: {"left_neighbour": Neighbour(4, True)},
        3: {"right_neighbour": Neighbour(1, True), "left_neighbour": Neighbour(5, False)},
        4: {"right_neighbour": Neighbour(2, True), "left_neighbour": Neighbour(5, False)},
    }
    return (
        lane(1, 0.0, 0, 100, successors=(2,), kinds=kinds(1), lights=lights, **adjacent[1]),
        lane(2, 0.0, 100, 200, predecessors=(1,), kinds=kinds(2), **adjacent[2]),
        lane(3, 3.5, 0, 100, successors=(4,), kinds=kinds(3), **adjacent[3]),
        lane(4, 3.5, 100, 200, predecessors=(3,), kinds=kinds(4), **adjacent[4]),
        lane(5, 7.0, 0, 200, back=True, kinds=kinds(5), left_neighbour=Neighbour(3, False)),
    )


def road(inside=(), lights=()):
    all_lanes = lanes(inside, tuple(light.id for light in lights))
    return Road({each.id: each for each in all_lanes}, lights={light.id: light for light in lights})


def scenario(start=(10.0, 0.0), goal=(150.0, 0.0), v=10.0, on=None, **fields):
    """A scenario with one planning problem on the road; `fields` are other fields of Scenario."""
    region = Rectangle(np.array(goal), 10.0, 3.0)
    problem = PlanningProblem(9, Start(*start, 0.0, v), (Goal((0, 100), (region,)),))
    return Scenario("ZAM_Hand-1_1_T-1", DT, on or road(), problems=(problem,), **fields)


def road_context(inside=(), lights=(), **fields):
    world = scenario(on=road(inside, lights), **fields)
    return RoadContext.from_scenario(world, world.problems[0])


def straight(x=10.0, y=0.0, v=10.0, yaw=0.0, steps=41):
    """States (T, 4) along a straight line at constant speed."""
    distance = v * DT * np.arange(steps)
    return np.stack(
        [x + distance * np.cos(yaw), y + distance * np.sin(yaw), np.full(steps, yaw), np.full(steps, v)],
        axis=1,
    )


def trajectories(*states, vehicle=CAR):
    return EgoTrajectories(np.stack(states), vehicle, DT)


def obstacles(*each, kinds=None, sizes=None, steps=None):
    """Boxes with states (T, 4) each, by default cars of 4 by 2 m."""
    count = len(each)
    states = np.stack(each, axis=1) if each else np.empty((steps or 60, 0, 4))
    return ObstacleBoxes(
        states,
        np.tile([4.0, 2.0], (count, 1)) if sizes is None else np.array(sizes, float),
        tuple(kinds or ["car"] * count),
        np.arange(count),
    )


def recorded(states, identity=1):
    """The recorded track of an agent with states (T, 4)."""
    return Tracks((identity,), ("car",), [[4.0, 2.0]], states[None], np.ones((1, len(states)), bool))
