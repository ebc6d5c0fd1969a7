"""An example: a scenario and a trajectory that solves it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.shapes import Rectangle
from wm_planner.driving.scenarios.road import Intersection, Lane, Road
from wm_planner.driving.scenarios.scenario import (
    Goal,
    Origin,
    PlanningProblem,
    Scenario,
    Start,
)
from wm_planner.driving.scenarios.tracks import Obstacle, Tracks

DT = 0.1  # s

EGO_SIZE = (4.508, 1.61)
"""Length and width of CommonRoad's vehicle 2, the BMW 320i, in m."""

CAR, VAN, TRUCK, PEDESTRIAN = (4.5, 1.8), (5.6, 2.0), (12.0, 2.5), (0.5, 0.6)

_PROBLEM = 900


class Agent(NamedTuple):
    """A traffic agent: kind, length and width [m], states (T, 4), NaN where absent."""

    kind: str
    size: tuple[float, float]
    states: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Example:
    """A scenario and a solution of its planning problem.

    Attributes:
        solution: states (T, 4) of the ego from the start to the goal, on the road and free of collisions.
    """

    scenario: Scenario
    solution: NDArray[np.float64]


def make_example(
    name: str,
    tags: str,
    lanes: Sequence[Lane],
    agents: Sequence[Agent],
    solution: NDArray[np.float64],
    goal: Goal,
    parked: Sequence[Rectangle] = (),
    intersections: tuple[Intersection, ...] = (),
) -> Example:
    """An example whose planning problem starts at the first state of the solution.

    Args:
        name: of the scene, as part of the CommonRoad id.
        tags: CommonRoad tags, separated by blanks.
    """
    x, y, yaw, v = solution[0].tolist()
    scenario = Scenario(
        id=f"ZAM_{name}-1_1_T-1",
        dt=DT,
        road=Road(_by_id(lanes), intersections=intersections),
        tracks=_tracks(agents),
        obstacles=tuple(Obstacle(200 + i, "parkedVehicle", (box,)) for i, box in enumerate(parked)),
        problems=(PlanningProblem(_PROBLEM, Start(x, y, yaw, v), (goal,)),),
        origin=Origin(
            "wm_planner", "wm_planner", "wm_planner.driving.generation", "2026-11-21", frozenset(tags.split())
        ),
    )
    return Example(scenario, solution)


def _by_id(lanes: Sequence[Lane]) -> Mapping[int, Lane]:
    return {lane.id: lane for lane in lanes}


def _tracks(agents: Sequence[Agent]) -> Tracks:
    states = np.array([agent.states for agent in agents])
    return Tracks(
        ids=tuple(100 + i for i in range(len(agents))),
        kinds=tuple(agent.kind for agent in agents),
        sizes=np.array([agent.size for agent in agents]),
        states=states,
        valid=np.isfinite(states).all(axis=-1),
    )
