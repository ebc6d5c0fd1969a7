"""A traffic scenario: road, agents, obstacles and planning problems. The central contract of driving.

| part | content | shapes and units |
|---|---|---|
| `dt` | step duration | s |
| `road` | lanes, signs, lights, drivable area (road.py) | (P, 2) m |
| `tracks` | recorded agents (tracks.py) | states (A, T, 4): x, y [m], yaw [rad], v [m/s] |
| `obstacles` | static obstacles (tracks.py) | shapes in m |
| `occupancies` | set-based predictions (tracks.py) | steps, shapes in m |
| `problems` | starts and goals of the ego | see Start, Goal |
| `ego` | recorded trajectory of the ego, or None | Tracks with A = 1 |

Positions are box centres in one fixed Cartesian map frame. Yaw is counter-clockwise from x and not wrapped.
Time is the step number times dt. The ego's state refers to its box centre too, which is also the reference
point of CommonRoad's kinematic single-track model. A scenario without problems can still be used for
prediction. Scenarios and their arrays are immutable.
"""

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.shapes import Circle, Points, Polygon, Shape
from wm_planner.driving.scenarios.road import Road
from wm_planner.driving.scenarios.tracks import (
    Obstacle,
    Occupancy,
    Tracks,
    empty_tracks,
)
from wm_planner.errors import ShapeError

PLAIN_NAME = re.compile(r"(?!\.)[A-Za-z0-9_.+-]{1,120}")
"""Pattern of scenario ids, which name files and appear in terminals."""


@dataclass(frozen=True)
class Start:
    """The ego's initial state.

    Attributes:
        x, y: of the box centre, in m.
        yaw: in rad.
        v: speed along yaw, in m/s.
        acceleration: along yaw, in m/s^2.
        yaw_rate: in rad/s.
        slip_angle: between yaw and velocity, in rad.
        step: the initial step.
    """

    x: float
    y: float
    yaw: float
    v: float
    acceleration: float = 0.0
    yaw_rate: float = 0.0
    slip_angle: float = 0.0
    step: int = 0

    @property
    def state(self) -> NDArray[np.float64]:
        """x, y, yaw, v as in Tracks, (4,)."""
        return np.array([self.x, self.y, self.yaw, self.v])


@dataclass(frozen=True, eq=False)
class Goal:
    """Conditions that must all hold at the same step; None means no condition.

    Attributes:
        steps: first and last step of the time window, both included.
        shapes: the box centre must lie in one of these shapes or of `lanes`; both empty means anywhere.
        lanes: ids of lanes whose areas count like `shapes`.
        yaw: lower and upper bound in rad, compared modulo 2 pi.
        v: lower and upper bound in m/s, both included.
    """

    steps: tuple[int, int]
    shapes: tuple[Shape, ...] = ()
    lanes: tuple[int, ...] = ()
    yaw: tuple[float, float] | None = None
    v: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class PlanningProblem:
    """The task to drive from the start to any of the goals."""

    id: int
    start: Start
    goals: tuple[Goal, ...]


GOAL_RADIUS_M = 3.0
"""Radius of the goal region of `recorded_problem`."""


def recorded_problem(ego: Tracks, identity: int) -> PlanningProblem:
    """The problem to drive from the first to the last position of a recorded ego, within the same time."""
    steps = np.flatnonzero(ego.valid[0])
    first, last = int(steps[0]), int(steps[-1])
    x, y, yaw, v = ego.states[0, first].tolist()
    goal = Goal((first, last), (Circle(ego.states[0, last, :2], GOAL_RADIUS_M),))
    return PlanningProblem(identity, Start(x, y, yaw, v, step=first), (goal,))


@dataclass(frozen=True)
class Origin:
    """Provenance of a scenario; `tags` are CommonRoad's ("highway", "critical")."""

    author: str = ""
    affiliation: str = ""
    source: str = ""
    date: str = ""
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Scenario:
    """A traffic scenario.

    Attributes:
        id: benchmark id or name of the source; must match PLAIN_NAME.
        dt: step duration, in s.
        repairs: what a reader changed, added or left out, one sentence per item.

    Raises:
        ShapeError: if the id, dt or the number of ego tracks is invalid.
    """

    id: str
    dt: float
    road: Road = field(default_factory=Road)
    tracks: Tracks = field(default_factory=empty_tracks)
    obstacles: tuple[Obstacle, ...] = ()
    occupancies: tuple[Occupancy, ...] = ()
    problems: tuple[PlanningProblem, ...] = ()
    ego: Tracks | None = None
    origin: Origin = field(default_factory=Origin)
    repairs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not PLAIN_NAME.fullmatch(self.id):
            raise ShapeError(
                f"its id is {self.id[:40]!r}, wanted a plain name: 1 to 120 letters, digits, '_', '-', '+', "
                "'.', no '.' first; files are named by it"
            )
        if not 0 < self.dt < np.inf:
            raise ShapeError(f"scenario '{self.id}' has a dt of {self.dt} s, wanted one above 0")
        if self.ego is not None and len(self.ego.ids) != 1:
            raise ShapeError(
                f"the ego's drive of scenario '{self.id}' has {len(self.ego.ids)} tracks, wanted 1"
            )

    @property
    def is_interactive(self) -> bool:
        """Whether its agents should react rather than replay their recording (CommonRoad ids with "_I-")."""
        return "_I-" in self.id

    def goal_reached(
        self, goal: Goal, states: NDArray[np.float64], steps: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether states of the ego satisfy a goal, (...).

        Args:
            states: x, y, yaw, v of the ego, (..., 4).
            steps: steps of these states, (...).
        """
        first, last = goal.steps
        reached = (first <= steps) & (steps <= last) & self._inside(goal, states[..., :2])
        if goal.yaw is not None:
            low, high = goal.yaw
            reached &= np.mod(states[..., 2] - low, 2 * np.pi) <= high - low
        if goal.v is not None:
            reached &= (goal.v[0] <= states[..., 3]) & (states[..., 3] <= goal.v[1])
        return reached

    def goal_outlines(self, goal: Goal) -> tuple[Points, ...]:
        """Outlines (P, 2) of a goal's shapes and lanes, in m."""
        lanes = (self.road.lanes[lane].polygon for lane in goal.lanes)
        return (*(place.outline for place in goal.shapes), *lanes)

    def _inside(self, goal: Goal, points: Points) -> NDArray[np.bool_]:
        places = [*goal.shapes, *(Polygon(self.road.lanes[lane].polygon) for lane in goal.lanes)]
        if not places:
            return np.ones(points.shape[:-1], np.bool_)
        inside: NDArray[np.bool_] = np.any([place.contains(points) for place in places], axis=0)
        return inside
