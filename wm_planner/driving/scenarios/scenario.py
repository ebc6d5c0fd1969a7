"""A traffic scenario: a road, who is on it, and what the ego is to do. The contract of all of driving.

| part | what | shapes and units |
|---|---|---|
| `dt` | of one step | s |
| `road` | lanes, signs, lights, drivable area (road.py) | (P, 2) m |
| `tracks` | other agents as recorded (tracks.py) | states (A, T, 4): x, y [m], yaw [rad], v [m/s] |
| `obstacles` | what stands (tracks.py) | shapes in m |
| `occupancies` | set-based forecasts (tracks.py) | steps, shapes in m |
| `problems` | where the ego starts and where it is to go | see Start, Goal |
| `ego` | the ego's recorded drive, if there is one | Tracks with A = 1 |

Positions are box centres in one fixed Cartesian frame, yaw counter-clockwise from x and not wrapped, time the
step number times dt. The state of the ego is that of its box's centre too; CommonRoad drives its kinematic
single track by this point. A scenario without problems is one to forecast in; one without tracks is an empty
road. Scenarios are frozen, and so are their arrays.
"""

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.shapes import Points, Polygon, Shape
from wm_planner.driving.scenarios.road import Road
from wm_planner.driving.scenarios.tracks import (
    Obstacle,
    Occupancy,
    Tracks,
    empty_tracks,
)
from wm_planner.errors import ShapeError

PLAIN_NAME = re.compile(r"(?!\.)[A-Za-z0-9_.+-]{1,120}")
"""What the id of a scenario may be: files are named by it, and terminals show it."""


@dataclass(frozen=True)
class Start:
    """The ego's first state.

    Attributes:
        x, y: of its box's centre, in m.
        yaw: in rad.
        v: along yaw, in m/s.
        acceleration: along yaw, in m/s^2.
        yaw_rate: in rad/s.
        slip: between yaw and velocity, in rad.
        step: at which it starts.
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
    """One way to have arrived: at one step all that is asked holds at once; None asks for nothing.

    Attributes:
        steps: first and last step at which one may arrive, both included.
        places: the box's centre is in one of them; empty for anywhere.
        lanes: ids of lanes that are places too.
        yaw: from, to [rad]; to >= from, and multiples of 2 pi count as equal.
        v: from, to [m/s], both included.
    """

    steps: tuple[int, int]
    shapes: tuple[Shape, ...] = ()
    lanes: tuple[int, ...] = ()
    yaw: tuple[float, float] | None = None
    v: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class PlanningProblem:
    """Get from the start to any of the goals."""

    id: int
    start: Start
    goals: tuple[Goal, ...]


@dataclass(frozen=True)
class Origin:
    """Who made a scenario, of what; `tags` are CommonRoad's ("highway", "critical")."""

    author: str = ""
    affiliation: str = ""
    source: str = ""
    date: str = ""
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Scenario:
    """A traffic scenario.

    Attributes:
        id: of the benchmark, or the name of the source; a PLAIN_NAME.
        repairs: what a reader changed, added or left out, one sentence each.
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
        """Whether its agents are meant to react (CommonRoad's "_I-" in the id) and not to be replayed."""
        return "_I-" in self.id

    def goal_reached(
        self, goal: Goal, states: NDArray[np.float64], steps: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether states fulfil a goal.

        Args:
            states: (..., 4), x, y, yaw, v of the ego.
            step: (...), at which it is there.
        """
        first, last = goal.steps
        there = (first <= steps) & (steps <= last) & self._inside(goal, states[..., :2])
        if goal.yaw is not None:
            low, high = goal.yaw
            there &= np.mod(states[..., 2] - low, 2 * np.pi) <= high - low
        if goal.v is not None:
            there &= (goal.v[0] <= states[..., 3]) & (states[..., 3] <= goal.v[1])
        return there

    def goal_outlines(self, goal: Goal) -> tuple[Points, ...]:
        """Outlines (P, 2) of a goal's places and lanes, in m."""
        lanes = (self.road.lanes[lane].polygon for lane in goal.lanes)
        return (*(place.outline for place in goal.shapes), *lanes)

    def _inside(self, goal: Goal, points: Points) -> NDArray[np.bool_]:
        places = [*goal.shapes, *(Polygon(self.road.lanes[lane].polygon) for lane in goal.lanes)]
        if not places:
            return np.ones(points.shape[:-1], np.bool_)
        inside: NDArray[np.bool_] = np.any([place.contains(points) for place in places], axis=0)
        return inside
