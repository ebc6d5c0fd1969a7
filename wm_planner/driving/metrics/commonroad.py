"""CommonRoad's cost functions, equal to those of commonroad-drivability-checker 2025.4.

What its figures do by accident is kept, because they are compared: ID is 10 for every drive of 0.1 s or more
(it takes the lesser of duration and 0.1 s), Vlon is always 0, Jlat is the lateral speed, a wanted speed of 0
counts as none, a point mass has only its speed along x, and D does not see boxes whose yaw is exactly 0.

Source: Althoff et al. 2017 and commonroad-drivability-checker 2025.4.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.shapes import (
    Circle,
    Rectangle,
    Shape,
    rotation,
)
from wm_planner.driving.geometry.state_columns import YAW
from wm_planner.driving.metrics.lane_matching import LaneCoordinates, lane_coordinates
from wm_planner.driving.scenarios.scenario import PlanningProblem, Scenario
from wm_planner.driving.scenarios.writers.solution import STATES, ProblemSolution
from wm_planner.driving.vehicle.vehicle import (
    BMW_320I,
    FORD_ESCORT,
    VW_VANAGON,
    Vehicle,
)
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]
ShapeT = TypeVar("ShapeT", Circle, Rectangle)

VEHICLES: Mapping[int, Vehicle] = MappingProxyType({1: FORD_ESCORT, 2: BMW_320I, 3: VW_VANAGON})
"""By CommonRoad's number; the truck is not among them."""

WEIGHTS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "JB1": {"T": 1.0},
        "SA1": {"SA": 0.1, "SR": 0.1, "D": 100_000.0},
        "WX1": {"T": 10.0, "V": 1.0, "A": 0.1, "J": 0.1, "D": 0.1, "L": 10.0},
        "SM1": {"A": 50.0, "SA": 50.0, "SR": 50.0, "L": 1.0, "V": 20.0, "O": 50.0},
        "SM2": {"A": 50.0, "SA": 50.0, "SR": 50.0, "L": 1.0, "O": 50.0},
        "SM3": {"A": 50.0, "SA": 50.0, "SR": 50.0, "V": 20.0, "O": 50.0},
        "MW1": {"Jlat": 5.0, "Jlon": 0.5, "Vlon": 0.2, "ID": 1.0},
        "TR1": {"Jlon": 0.01, "SR": 22.0, "D": 8.0, "LC": 0.5},
    }
)
"""Of the terms of each cost function."""

_WINDOW = 13  # steps of the smoothing of positions along and across lanes
_JUMPS_M = (1.0, 0.5)  # beyond which a step along or across is a change of lines
_SIGHT_M = 100.0  # along the map's axes, within which others are near
_BESIDE_M = 2.8  # across, within which another is in the same lane


class Cost(NamedTuple):
    """A cost and its terms, which are not weighted_score yet.

    Attributes:
        total: the weighted_score sum.
        terms: by name.
    """

    total: float
    terms: Mapping[str, float]


def commonroad_cost(scenario: Scenario, problem: PlanningProblem, answer: ProblemSolution) -> Cost:
    """What the cost function of an answer says of it.

    Raises:
        ShapeError: if the vehicle is the truck.
        ScenarioError: if a term needs the lanes that are driven on, and the drive is off them.
    """
    drive = _Drive(scenario, problem, answer)
    weights = WEIGHTS[answer.cost]
    terms = {name: float(TERMS[name](drive)) for name in weights}
    return Cost(sum(weight * terms[name] for name, weight in weights.items()), terms)


def vehicle_of(answer: ProblemSolution) -> Vehicle:
    """The vehicle of an answer.

    Raises:
        ShapeError: if it is the truck.
    """
    if answer.vehicle not in VEHICLES:
        raise ShapeError(
            f"the answer trajectories vehicle {answer.vehicle}, wanted one of {sorted(VEHICLES)}"
        )
    return VEHICLES[answer.vehicle]


@dataclass(frozen=True)
class _Drive:
    """An answer's columns, and where they are beside the lanes."""

    scenario: Scenario
    problem: PlanningProblem
    answer: ProblemSolution

    def column(self, name: str) -> Floats:
        return self.answer.states[:, STATES[self.answer.model].index(name)]

    @property
    def points(self) -> Floats:
        return self.answer.states[:, :2]

    @property
    def speed(self) -> Floats:
        return self.column("xVelocity" if self.answer.model == "PM" else "velocity")

    @property
    def yaw(self) -> Floats:
        if self.answer.model == "PM":
            return np.arctan2(self.column("yVelocity"), self.column("xVelocity"))
        return self.column("orientation")

    @property
    def radius(self) -> float:
        return vehicle_of(self.answer).width_m / 2.5

    @cached_property
    def beside(self) -> LaneCoordinates:
        step_m = float(self.speed.max()) * self.scenario.dt
        return lane_coordinates(self.scenario.road, self.points, self.yaw, self.radius, step_m)

    def rate(self, values: Floats, times: int = 1) -> Floats:
        """Differences over dt."""
        return np.diff(values, n=times) / self.scenario.dt**times

    def change(self, values: Floats, times: int) -> Floats:
        """Central differences over dt."""
        for _ in range(times):
            values = np.gradient(values, self.scenario.dt)
        return values

    def integral(self, values: Floats) -> float:
        from scipy.integrate import simpson

        return float(simpson(values, dx=self.scenario.dt))

    @property
    def along(self) -> Floats:
        return self._smooth(_without_jumps(self.beside.s, self.speed[0] * self.scenario.dt, _JUMPS_M[0]))

    @property
    def across(self) -> Floats:
        return self._smooth(_without_jumps(self.beside.d, 0.0, _JUMPS_M[1]))

    def _smooth(self, positions: Floats) -> Floats:
        window = min(int(len(positions) / 1.5), _WINDOW)
        window -= window % 2 + 1
        if window <= 4:
            return positions
        from scipy.signal import savgol_filter

        return np.asarray(savgol_filter(positions, window, 3))


def _without_jumps(positions: Floats, step: float, most: float) -> Floats:
    """Positions (T,) in which a step that is off the one before by more is replaced by that."""
    smooth, shift = positions.copy(), 0.0
    for i in range(len(positions) - 1):
        here, there = positions[i], positions[i + 1]
        if abs(there - here - step) > most:
            smooth[i + 1] = smooth[i] + step
            shift += here + step - there
        else:
            smooth[i + 1] = there + shift
            step = there - here
    return smooth


def _speed_off(drive: _Drive) -> float:
    """V: the square of speed against the goals' lowest."""
    wanted = min((goal.v[0] for goal in drive.problem.goals if goal.v is not None), default=0.0)
    off = wanted - drive.speed if wanted else np.zeros_like(drive.speed)
    return drive.integral(np.square(off))


def _nearness(drive: _Drive) -> float:
    """D: exp(-0.2 m) of the distance m to the nearest agent ahead in the same lane."""
    steps = range(len(drive.points))
    return drive.integral(np.exp([-0.2 * _way_ahead(drive, step) for step in steps]))


def _way_ahead(drive: _Drive, step: int) -> float:
    """The way to the centre of the nearest agent ahead in m, less the ego's disc; infinite without one."""
    frame, here = drive.beside.frames[step], drive.points[step]
    centres = _centres(drive.scenario, drive.answer.first_step + step, here)
    if not len(centres):
        return float(np.inf)
    own, theirs = frame.project(here[None]), frame.project(centres)
    ways = theirs.s - own.s[0]
    ahead = (np.abs(theirs.d - own.d[0]) < _BESIDE_M) & (ways > 0)
    return float(np.min(ways[ahead], initial=np.inf) - drive.radius)


def _centres(scenario: Scenario, step: int, here: Floats) -> Floats:
    """Centres (K, 2) of the turned boxes and of the discs around a place."""
    boxes = [*_turned_boxes(scenario, step)]
    boxes += [(shape.centre, np.full(2, shape.radius)) for shape in _shapes(scenario, step, Circle)]
    near = [centre for centre, half in boxes if (np.abs(centre - here) <= _SIGHT_M + half).all()]
    return np.array(near).reshape(-1, 2)


def _turned_boxes(scenario: Scenario, step: int) -> Iterator[tuple[Floats, Floats]]:
    """Centre, and half the extent along the map's axes, of each box whose yaw is not exactly 0."""
    states, valid = scenario.tracks.at(step)
    spread = {each.id for each in scenario.occupancies if each.at(step)}
    boxes = [
        (states[row, :2], *scenario.tracks.sizes[row], states[row, YAW])
        for row in np.flatnonzero(valid)
        if scenario.tracks.ids[row] not in spread
    ]
    boxes += [(box.centre, box.length, box.width, box.yaw) for box in _shapes(scenario, step, Rectangle)]
    for centre, length, width, yaw in boxes:
        if yaw != 0:
            yield centre, np.abs(rotation(yaw)) @ np.array([length, width]) / 2


def _shapes(scenario: Scenario, step: int, kind: type[ShapeT]) -> list[ShapeT]:
    """What stands, and the places that may be taken at a step, of one kind of shape."""
    regions = [region for each in scenario.occupancies for region in each.regions]
    taken: list[Shape] = [
        shape for each in regions if each.first_step <= step <= each.last_step for shape in each.shapes
    ]
    stands: list[Shape] = [shape for each in scenario.obstacles for shape in each.shapes]
    return [shape for shape in stands + taken if isinstance(shape, kind)]


TERMS: Mapping[str, Callable[[_Drive], float]] = MappingProxyType(
    {
        "A": lambda drive: drive.integral(np.square(drive.rate(drive.speed))),
        "J": lambda drive: drive.integral(np.square(drive.rate(drive.speed, 2))),
        "Jlat": lambda drive: drive.integral(np.square(drive.change(drive.across, 1))),
        "Jlon": lambda drive: drive.integral(np.square(drive.change(drive.along, 3))),
        "SA": lambda drive: drive.integral(np.square(drive.column("steeringAngle"))),
        "SR": lambda drive: drive.integral(np.square(drive.rate(drive.column("steeringAngle")))),
        "LC": lambda drive: drive.integral(np.square(drive.beside.d)),
        "V": _speed_off,
        "Vlon": lambda drive: 0.0,
        "O": lambda drive: drive.integral(np.square(drive.beside.turned)),
        "D": _nearness,
        "L": lambda drive: drive.integral(drive.speed),
        "T": lambda drive: (len(drive.points) - 1) * drive.scenario.dt,
        "ID": lambda drive: 1 / min((len(drive.points) - 1) * drive.scenario.dt, 0.1),
    }
)
"""Acceleration, jerk (along yaw; across and along the lane), steering angle and rate, offsets from the lane's
centre, from the goal's speed (and along the lane), from the lane's direction, nearness, length, duration and
its inverse. Integrals of squares, by Simpson's rule."""
