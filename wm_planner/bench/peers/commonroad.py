"""CommonRoad's own tools: costs and validity of solutions, and drives of the reactive planner.

commonroad-drivability-checker 2025.4 and commonroad-reactive-planner 2025.1, which depends on it.
"""

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from commonroad.common.file_reader import CommonRoadFileReader
from commonroad.common.solution import CommonRoadSolutionReader, CommonRoadSolutionWriter, CostFunction
from commonroad_dc.costs import evaluation
from commonroad_dc.feasibility import solution_checker as checker
from commonroad_rp.reactive_planner import ReactivePlanner
from commonroad_rp.utility import evaluation as recorded
from commonroad_rp.utility import general
from commonroad_rp.utility.config import ReactivePlannerConfiguration
from commonroad_rp.utility.utils_coordinate_system import create_coordinate_system, create_initial_ref_path

CHECKS = {
    "goal": lambda s, p, a: checker.goal_reached(s, p, a),
    "start": lambda s, p, a: checker.starts_at_correct_state(a, p),
    "no_collision": lambda s, p, a: not checker.obstacle_collision(s, p, a),
    "on_road": lambda s, p, a: not checker.boundary_collision(s, p, a),
    "feasible": lambda s, p, a: all(ok for ok, *_ in checker.solution_feasible(a, s.dt, p).values()),
}

STEPS = 30
"""Horizon of the planner, in steps."""
T_MIN_S = 1.0
"""Shortest sampled trajectory of the planner."""
EXTENSION_M = 60.0
"""Straight extension of the reference path at both ends; without it most drives fail at the path's end."""

warnings.filterwarnings("ignore")
_opened: dict[str, Any] = {}


def costs(scenario: str, solution: str, names: list[str] | None = None) -> dict[str, Any]:
    """Totals and terms by cost function, or the error; by default of the solution's own cost function."""
    world, problems, solved = _read(scenario, solution)
    functions = names or [solved.cost_ids[0]]
    return {name: _cost(world, problems, solved, CostFunction[name]) for name in functions}


def check(scenario: str, solution: str, names: list[str]) -> dict[str, bool]:
    """Whether each condition holds."""
    world, problems, solved = _read(scenario, solution)
    return {name: _holds(CHECKS[name], world, problems, solved) for name in names}


def drive(scenario: str, solution: str, limit_s: float) -> dict[str, Any]:
    """Drive the first problem with the reactive planner, and write the solution if it reaches the goal.

    Returns:
        `ended`: goal, no plan, too late, time limit, or the error; `cycle_s`: CPU time of each plan.
    """
    cycle_s: list[float] = []
    try:
        ended = _drive(scenario, solution, limit_s, cycle_s)
    except Exception as error:  # any error is an outcome of the drive
        ended = f"{type(error).__name__}: {error}"
    return {"ended": ended, "cycle_s": cycle_s}


def _read(scenario: str, solution: str) -> tuple[Any, Any, Any]:
    if scenario not in _opened:
        _opened[scenario] = CommonRoadFileReader(scenario).open()
    return *_opened[scenario], CommonRoadSolutionReader.open(solution)


def _cost(world: Any, problems: Any, solved: Any, function: Any) -> dict[str, Any]:
    total, terms = 0.0, {}
    try:
        for each in solved.planning_problem_solutions:
            problem = problems.planning_problem_dict[each.planning_problem_id]
            evaluator = evaluation.CostFunctionEvaluator(function, each.vehicle_type)
            result = evaluator.evaluate_pp_solution(world, problem, each.trajectory)
            total += float(result.total_costs)
            terms = {term.name: float(value) for term, value in result.partial_costs.items()}
    except Exception as error:  # any error is the reference's result
        return {"error": f"{type(error).__name__}: {error}"}
    return {"total": total, "terms": terms}


def _holds(test: Any, *args: Any) -> bool:
    try:
        return bool(test(*args))
    except (checker.SolutionCheckerException, checker.FeasibilityException):
        return False


def _drive(scenario: str, solution: str, limit_s: float, cycle_s: list[float]) -> str:
    planner = _reactive_planner(scenario)
    problem, started = planner.config.planning_problem, time.monotonic()
    target_speed = general.retrieve_desired_velocity_from_pp(problem)
    last = max(goal.time_step.end for goal in problem.goal.state_list)
    planner.record_state_and_input(planner.x_0)
    plan: Any = None
    while not planner.goal_reached():
        if planner.x_0.time_step > last:
            return "too late"
        if time.monotonic() - started > limit_s:
            return "time limit"
        step = (len(planner.record_state_list) - 1) % planner.config.planning.replanning_frequency
        if step == 0:
            planner.set_desired_velocity(desired_velocity=target_speed, current_speed=planner.x_0.velocity)
            cpu = time.process_time()
            plan = planner.plan()
            cycle_s.append(time.process_time() - cpu)
            if not plan:
                return "no plan"
        _advance(planner, plan, step + 1)
    _write(planner, solution)
    return "goal"


def _reactive_planner(scenario: str) -> Any:
    """The planner at the start of a scenario's first problem."""
    world, problems = CommonRoadFileReader(scenario).open()
    problem = next(iter(problems.planning_problem_dict.values()))
    config = ReactivePlannerConfiguration()
    config.planning.dt, config.planning.time_steps_computation = world.dt, STEPS
    config.sampling.t_min = T_MIN_S
    config.debug.multiproc, config.debug.logging_level = False, "ERROR"
    config.update(world, problem)
    planner = ReactivePlanner(config)
    path = _extended(create_initial_ref_path(world.lanelet_network, problem))
    planner.set_reference_path(coordinate_system=create_coordinate_system(path))
    return planner


def _advance(planner: Any, plan: Any, step: int) -> None:
    """Move the planner to a step of a plan, in Cartesian and curvilinear states."""
    states, longitudinal, lateral = plan[0].state_list, plan[1], plan[2]
    planner.record_state_and_input(states[step])
    planner.reset(
        initial_state_cart=planner.record_state_list[-1],
        initial_state_curv=(longitudinal[step], lateral[step]),
        collision_checker=planner.collision_checker,
        coordinate_system=planner.coordinate_system,
    )


def _write(planner: Any, solution: str) -> None:
    config = planner.config
    trajectory = recorded.create_full_solution_trajectory(config, planner.record_state_list)
    solved = recorded.create_planning_problem_solution(
        config, trajectory, config.scenario, config.planning_problem
    )
    Path(solution).write_text(CommonRoadSolutionWriter(solved).dump())


def _extended(path: Any) -> Any:
    """The path (P, 2) with a straight extension at both ends."""
    ends = []
    for end, inner in ((path[0], path[1]), (path[-1], path[-2])):
        direction = (end - inner) / np.linalg.norm(end - inner)
        ends.append(end + np.arange(1.0, EXTENSION_M + 1)[:, None] * direction)
    return np.concatenate([ends[0][::-1], path, ends[1]])
