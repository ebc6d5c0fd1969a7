"""Write solution files for the CommonRoad benchmark.

Source: the solution schema of commonroad-io 2026.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.scenarios.writers.xml import (
    Node,
    decimal,
    node,
    number,
    save,
)
from wm_planner.errors import ShapeError, did_you_mean

STATES = {
    "PM": ("x", "y", "xVelocity", "yVelocity"),
    "KS": ("x", "y", "steeringAngle", "velocity", "orientation"),
    "ST": ("x", "y", "steeringAngle", "velocity", "orientation", "yawRate", "slipAngle"),
}
"""State columns of the vehicle models, in m, m/s, rad and rad/s; PM's velocities are along the map axes."""

VEHICLES = {1: "Ford Escort", 2: "BMW 320i", 3: "VW Vanagon", 4: "truck"}

COSTS = ("JB1", "SA1", "WX1", "SM1", "SM2", "SM3", "MW1", "TR1")
COSTS_OF_PM = ("JB1", "WX1", "MW1")
"""Cost functions for the point mass, which does not steer."""


@dataclass(frozen=True, eq=False)
class ProblemSolution:
    """The trajectory that solves one planning problem.

    Attributes:
        problem: id of the problem.
        model: vehicle model, from STATES.
        vehicle: vehicle type, from VEHICLES.
        cost: cost function, from COSTS.
        states: (T, k), columns as in STATES; the first one is the problem's initial state.
        first_step: step of the first state.

    Raises:
        ShapeError: if the benchmark would refuse it.
    """

    problem: int
    model: str
    vehicle: int
    cost: str
    states: NDArray[np.float64]
    first_step: int = 0

    def __post_init__(self) -> None:
        costs = COSTS_OF_PM if self.model == "PM" else COSTS
        for value, known in (
            (self.model, STATES),
            (str(self.vehicle), map(str, VEHICLES)),
            (self.cost, costs),
        ):
            names = list(known)
            if value not in names:
                raise ShapeError(
                    f"the solution of problem {self.problem} has '{value}', {did_you_mean(value, names)}"
                )
        columns = STATES[self.model]
        if np.ndim(self.states) != 2 or np.shape(self.states)[1] != len(columns) or not len(self.states):
            raise ShapeError(
                f"the solution of problem {self.problem} has shape {np.shape(self.states)}, "
                f"wanted (T, {len(columns)}): {', '.join(columns)}"
            )
        if not np.isfinite(self.states).all():
            raise ShapeError(f"the solution of problem {self.problem} has states that are not finite")


def benchmark_id(scenario_id: str, solutions: Sequence[ProblemSolution]) -> str:
    """The benchmark id of solutions, such as "KS2:SM1:USA_US101-3_3_T-1:2020a"."""
    vehicles = _joined([f"{solution.model}{solution.vehicle}" for solution in solutions])
    return f"{vehicles}:{_joined([solution.cost for solution in solutions])}:{scenario_id}:2020a"


def write_solution(
    scenario_id: str,
    solutions: Sequence[ProblemSolution],
    path: Path,
    date: str = "",
    computation_time_s: float | None = None,
) -> None:
    """Write the solutions of a scenario's planning problems to a file.

    Args:
        scenario_id: id of the scenario.
        solutions: one per problem.
        path: of the file.
        date: such as "2026-11-21T12:00:00"; empty for none.
        computation_time_s: in s; None for none.

    Raises:
        ShapeError: if there is no solution, or several for one problem.
        ScenarioError: if the file cannot be written.
    """
    problems = [solution.problem for solution in solutions]
    if not solutions or len(set(problems)) != len(problems):
        raise ShapeError(f"solutions of the problems {problems}, wanted one per problem")
    root = node(
        "CommonRoadSolution", *map(_trajectory, solutions), benchmark_id=benchmark_id(scenario_id, solutions)
    )
    if computation_time_s is not None:
        root.set("computation_time", decimal(computation_time_s))
    if date:
        root.set("date", date)
    save(root, path)


def _trajectory(solution: ProblemSolution) -> Node:
    model = solution.model.lower()
    states = (
        node(
            f"{model}State",
            *(number(name, value) for name, value in zip(STATES[solution.model], state, strict=True)),
            node("time", text=str(solution.first_step + step)),
        )
        for step, state in enumerate(solution.states)
    )
    return node(f"{model}Trajectory", *states, planningProblem=str(solution.problem))


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"[{','.join(names)}]"
