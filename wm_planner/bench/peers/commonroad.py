"""CommonRoad's own tools: what its checker and its costs say of solutions, and how its planner drives.

commonroad-drivability-checker 2025.4 and commonroad-reactive-planner 2025.1, which bring each other.
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
"""Steps of the planner's horizon."""
T_MIN_S = 1.0
"""Shortest of its trajectories."""
EXTENSION_M = 60.0
"""Its reference path goes straight on at both ends: else most drives end in an error where the path does."""

warnings.filterwarnings("ignore")
_opened: dict[str, Any] = {}


def costs(scenario: str, solution: str, names: list[str] | None = None) -> dict[str, Any]:
    """Totals and terms by cost function, or what went wrong; those of the solution itself by default."""
    world, problems, answer = _all_of(scenario, solution)
    chosen = names or [answer.cost_ids[0]]
    return {name: _cost(world, problems, answer, CostFunction[name]) for name in chosen}


def check(scenario: str, solution: str, names: list[str]) -> dict[str, bool]:
    """Which conditions hold."""
    world, problems, answer = _all_of(scenario, solution)
    return {name: _holds(CHECKS[name], world, problems, answer) for name in names}


def drive(scenario: str, solution: str, limit_s: float) -> dict[str, Any]:
    """Drive the first problem with the reactive planner, and write the solution if the goal was reached.

    Returns:
        `ended`: goal, no plan, too late, time limit, or what was raised; `cycle_s`: CPU of each plan.
    """
    cycle_s: list[float] = []
    try:
        ended = _driven(scenario, solution, limit_s, cycle_s)
    except Exception as error:  # whatever it is, it is how this planner's drive ended
        ended = f"{type(error).__name__}: {error}"
    return {"ended": ended, "cycle_s": cycle_s}


def _all_of(scenario: str, solution: str) -> tuple[Any, Any, Any]:
    if scenario not in _opened:
        _opened[scenario] = CommonRoadFileReader(scenario).open()
    return *_opened[scenario], CommonRoadSolutionReader.open(solution)


def _cost(world: Any, problems: Any, answer: Any, function: Any) -> dict[str, Any]:
    total, terms = 0.0, {}
    try:
        for each in answer.planning_problem_solutions:
            problem = problems.planning_problem_dict[each.planning_problem_id]
            judge = evaluation.CostFunctionEvaluator(function, each.vehicle_type)
            found = judge.evaluate_pp_solution(world, problem, each.trajectory)
            total += float(found.total_costs)
            terms = {term.name: float(value) for term, value in found.partial_costs.items()}
    except Exception as error:  # whatever it is, it is what the reference says
        return {"error": f"{type(error).__name__}: {error}"}
    return {"total": total, "terms": terms}


def _holds(test: Any, *args: Any) -> bool:
    try:
        return bool(test(*args))
    except (checker.SolutionCheckerException, checker.FeasibilityException):
        return False


def _driven(scenario: str, solution: str, limit_s: float, cycle_s: list[float]) -> str:
    planner = _reactive_planner(scenario)
    problem, began = planner.config.planning_problem, time.monotonic()
    wanted = general.retrieve_desired_velocity_from_pp(problem)
    last = max(goal.time_step.end for goal in problem.goal.state_list)
    planner.record_state_and_input(planner.x_0)
    plan: Any = None
    while not planner.goal_reached():
        if planner.x_0.time_step > last:
            return "too late"
        if time.monotonic() - began > limit_s:
            return "time limit"
        step = (len(planner.record_state_list) - 1) % planner.config.planning.replanning_frequency
        if step == 0:
            planner.set_desired_velocity(desired_velocity=wanted, current_speed=planner.x_0.velocity)
            spent = time.process_time()
            plan = planner.plan()
            cycle_s.append(time.process_time() - spent)
            if not plan:
                return "no plan"
        _take(planner, plan, step + 1)
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


def _take(planner: Any, plan: Any, step: int) -> None:
    """Go on to a step of a plan: its states, and those along and across the reference path."""
    states, along, across = plan[0].state_list, plan[1], plan[2]
    planner.record_state_and_input(states[step])
    planner.reset(
        initial_state_cart=planner.record_state_list[-1],
        initial_state_curv=(along[step], across[step]),
        collision_checker=planner.collision_checker,
        coordinate_system=planner.coordinate_system,
    )


def _write(planner: Any, solution: str) -> None:
    config = planner.config
    driven = recorded.create_full_solution_trajectory(config, planner.record_state_list)
    answer = recorded.create_planning_problem_solution(
        config, driven, config.scenario, config.planning_problem
    )
    Path(solution).write_text(CommonRoadSolutionWriter(answer).dump())


def _extended(path: Any) -> Any:
    """The path (P, 2) with a straight piece at both ends."""
    ends = []
    for end, inner in ((path[0], path[1]), (path[-1], path[-2])):
        way = (end - inner) / np.linalg.norm(end - inner)
        ends.append(end + np.arange(1.0, EXTENSION_M + 1)[:, None] * way)
    return np.concatenate([ends[0][::-1], path, ends[1]])
