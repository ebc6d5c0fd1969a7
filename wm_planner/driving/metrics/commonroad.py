"""CommonRoad's cost functions, equal to those of commonroad-drivability-checker 2025.4.

Its quirks are kept, so that costs can be compared: ID is 10 for every drive of 0.1 s or more (it takes the
smaller of the duration and 0.1 s), Vlon is always 0, Jlat is the lateral speed, a goal speed of 0 counts as
none, the speed of a point mass is its speed along x, and D ignores boxes whose yaw is exactly 0.

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
"""Vehicles by CommonRoad's number; the truck is not supported."""

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
"""Weights of the terms of each cost function."""

_WINDOW = 13  # steps, smoothing of longitudinal and lateral positions
_JUMPS_M = (1.0, 0.5)  # larger longitudinal and lateral steps are changes of the centreline
_RANGE_M = 100.0  # along both axes of the map: agents farther away are ignored
_SAME_LANE_M = 2.8  # lateral offset within which an agent is in the ego's lane


class Cost(NamedTuple):
    """A cost and its terms.

    Attributes:
        total: the weighted sum of the terms.
        terms: the unweighted terms by name.
    """

    total: float
    terms: Mapping[str, float]


def commonroad_cost(scenario: Scenario, problem: PlanningProblem, solution: ProblemSolution) -> Cost:
    """The cost of a solution by its own cost function.

    Raises:
        ShapeError: if the vehicle is the truck.
        ScenarioError: if a term needs the drive's lanes, and the drive leaves them.
    """
    drive = _Drive(scenario, problem, solution)
    weights = WEIGHTS[solution.cost]
    terms = {name: float(TERMS[name](drive)) for name in weights}
    return Cost(sum(weight * terms[name] for name, weight in weights.items()), terms)


def vehicle_of(solution: ProblemSolution) -> Vehicle:
    """The vehicle of a solution.

    Raises:
        ShapeError: if it is the truck.
    """
    if solution.vehicle not in VEHICLES:
        raise ShapeError(f"the solution is for vehicle {solution.vehicle}, wanted one of {sorted(VEHICLES)}")
    return VEHICLES[solution.vehicle]


@dataclass(frozen=True)
class _Drive:
    """The quantities of a solution that cost terms are made of."""

    scenario: Scenario
    problem: PlanningProblem
    solution: ProblemSolution

    def column(self, name: str) -> Floats:
        return self.solution.states[:, STATES[self.solution.model].index(name)]

    @property
    def points(self) -> Floats:
        return self.solution.states[:, :2]

    @property
    def speed(self) -> Floats:
        return self.column("xVelocity" if self.solution.model == "PM" else "velocity")

    @property
    def yaw(self) -> Floats:
        if self.solution.model == "PM":
            return np.arctan2(self.column("yVelocity"), self.column("xVelocity"))
        return self.column("orientation")

    @property
    def radius(self) -> float:
        return vehicle_of(self.solution).width_m / 2.5

    @cached_property
    def lane_coordinates(self) -> LaneCoordinates:
        step_m = float(self.speed.max()) * self.scenario.dt
        return lane_coordinates(self.scenario.road, self.points, self.yaw, self.radius, step_m)

    def forward_rate(self, values: Floats, order: int = 1) -> Floats:
        """Forward differences per second."""
        return np.diff(values, n=order) / self.scenario.dt**order

    def central_rate(self, values: Floats, order: int) -> Floats:
        """Central differences per second."""
        for _ in range(order):
            values = np.gradient(values, self.scenario.dt)
        return values

    def integral(self, values: Floats) -> float:
        from scipy.integrate import simpson

        return float(simpson(values, dx=self.scenario.dt))

    @property
    def longitudinal(self) -> Floats:
        return self._smooth(
            _without_jumps(self.lane_coordinates.s, self.speed[0] * self.scenario.dt, _JUMPS_M[0])
        )

    @property
    def lateral(self) -> Floats:
        return self._smooth(_without_jumps(self.lane_coordinates.d, 0.0, _JUMPS_M[1]))

    def _smooth(self, positions: Floats) -> Floats:
        window = min(int(len(positions) / 1.5), _WINDOW)
        window -= window % 2 + 1
        if window <= 4:
            return positions
        from scipy.signal import savgol_filter

        return np.asarray(savgol_filter(positions, window, 3))


def _without_jumps(positions: Floats, step: float, limit: float) -> Floats:
    """Positions (T,) in which a step that differs from the previous one by more than a limit repeats it."""
    smooth, shift = positions.copy(), 0.0
    for i in range(len(positions) - 1):
        here, there = positions[i], positions[i + 1]
        if abs(there - here - step) > limit:
            smooth[i + 1] = smooth[i] + step
            shift += here + step - there
        else:
            smooth[i + 1] = there + shift
            step = there - here
    return smooth


def _speed_error(drive: _Drive) -> float:
    """V: the squared difference to the lower speed bound of the goals, the lowest of all goals."""
    target = min((goal.v[0] for goal in drive.problem.goals if goal.v is not None), default=0.0)
    error = target - drive.speed if target else np.zeros_like(drive.speed)
    return drive.integral(np.square(error))


def _distance_term(drive: _Drive) -> float:
    """D: exp(-0.2 distance) of the nearest agent ahead in the same lane."""
    steps = range(len(drive.points))
    return drive.integral(np.exp([-0.2 * _distance_ahead(drive, step) for step in steps]))


def _distance_ahead(drive: _Drive, step: int) -> float:
    """Distance along the lane from the ego's disc to the next agent's centre, in m; infinite without one."""
    frame, here = drive.lane_coordinates.frames[step], drive.points[step]
    centres = _centres(drive.scenario, drive.solution.first_step + step, here)
    if not len(centres):
        return float(np.inf)
    ego, agents = frame.project(here[None]), frame.project(centres)
    distance = agents.s - ego.s[0]
    ahead = (np.abs(agents.d - ego.d[0]) < _SAME_LANE_M) & (distance > 0)
    return float(np.min(distance[ahead], initial=np.inf) - drive.radius)


def _centres(scenario: Scenario, step: int, here: Floats) -> Floats:
    """Centres (K, 2) of rotated boxes and discs in range of a position."""
    boxes = [*_rotated_boxes(scenario, step)]
    boxes += [(shape.centre, np.full(2, shape.radius)) for shape in _shapes(scenario, step, Circle)]
    near = [centre for centre, half in boxes if (np.abs(centre - here) <= _RANGE_M + half).all()]
    return np.array(near).reshape(-1, 2)


def _rotated_boxes(scenario: Scenario, step: int) -> Iterator[tuple[Floats, Floats]]:
    """Centre and half extent along the map's axes of each box whose yaw is not exactly 0."""
    states, valid = scenario.tracks.at(step)
    as_occupancy = {each.id for each in scenario.occupancies if each.at(step)}
    boxes = [
        (states[row, :2], *scenario.tracks.sizes[row], states[row, YAW])
        for row in np.flatnonzero(valid)
        if scenario.tracks.ids[row] not in as_occupancy
    ]
    boxes += [(box.centre, box.length, box.width, box.yaw) for box in _shapes(scenario, step, Rectangle)]
    for centre, length, width, yaw in boxes:
        if yaw != 0:
            yield centre, np.abs(rotation(yaw)) @ np.array([length, width]) / 2


def _shapes(scenario: Scenario, step: int, kind: type[ShapeT]) -> list[ShapeT]:
    """Shapes of one kind: static obstacles, and occupancies at a step."""
    regions = [region for each in scenario.occupancies for region in each.regions]
    occupied: list[Shape] = [
        shape for each in regions if each.first_step <= step <= each.last_step for shape in each.shapes
    ]
    static: list[Shape] = [shape for each in scenario.obstacles for shape in each.shapes]
    return [shape for shape in static + occupied if isinstance(shape, kind)]


TERMS: Mapping[str, Callable[[_Drive], float]] = MappingProxyType(
    {
        "A": lambda drive: drive.integral(np.square(drive.forward_rate(drive.speed))),
        "J": lambda drive: drive.integral(np.square(drive.forward_rate(drive.speed, 2))),
        "Jlat": lambda drive: drive.integral(np.square(drive.central_rate(drive.lateral, 1))),
        "Jlon": lambda drive: drive.integral(np.square(drive.central_rate(drive.longitudinal, 3))),
        "SA": lambda drive: drive.integral(np.square(drive.column("steeringAngle"))),
        "SR": lambda drive: drive.integral(np.square(drive.forward_rate(drive.column("steeringAngle")))),
        "LC": lambda drive: drive.integral(np.square(drive.lane_coordinates.d)),
        "V": _speed_error,
        "Vlon": lambda drive: 0.0,
        "O": lambda drive: drive.integral(np.square(drive.lane_coordinates.heading_error)),
        "D": _distance_term,
        "L": lambda drive: drive.integral(drive.speed),
        "T": lambda drive: (len(drive.points) - 1) * drive.scenario.dt,
        "ID": lambda drive: 1 / min((len(drive.points) - 1) * drive.scenario.dt, 0.1),
    }
)
"""Acceleration, jerk (also lateral and longitudinal), steering angle and rate, offset from the lane centre,
speed error (also longitudinal), orientation error, distance to the agent ahead, path length, duration and its
inverse. Integrals are by Simpson's rule."""
