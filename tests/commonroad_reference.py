"""What commonroad-drivability-checker says of solution files. Runs in a Python that has that package.

Reads lines of a scenario's and a solution's path, separated by a tab, and writes one line of JSON for each.
Its library prints too: ours begin with a mark.
"""

import json
import sys
import warnings

from commonroad.common.file_reader import CommonRoadFileReader
from commonroad.common.solution import CommonRoadSolutionReader, CostFunction
from commonroad_dc.costs import evaluation
from commonroad_dc.feasibility import solution_checker as checker

MARK = "REFERENCE "

CHECKS = {
    "goal": lambda s, p, a: checker.goal_reached(s, p, a),
    "start": lambda s, p, a: checker.starts_at_correct_state(a, p),
    "collision": lambda s, p, a: not checker.obstacle_collision(s, p, a),
    "road": lambda s, p, a: not checker.boundary_collision(s, p, a),
    "feasible": lambda s, p, a: all(ok for ok, *_ in checker.solution_feasible(a, s.dt, p).values()),
}


def costs(scenario, problems, solution):
    """The total and the terms, or what went wrong."""
    (only,) = solution.planning_problem_solutions
    problem = problems.planning_problem_dict[only.planning_problem_id]
    judge = evaluation.CostFunctionEvaluator(CostFunction[solution.cost_ids[0]], only.vehicle_type)
    try:
        found = judge.evaluate_pp_solution(scenario, problem, only.trajectory)
    except Exception as error:  # whatever it is, it is what the reference says
        return {"error": f"{type(error).__name__}: {error}"}
    terms = {term.name: float(value) for term, value in found.partial_costs.items()}
    return {"total": float(found.total_costs), "terms": terms}


def checked(check, *args):
    """Whether a check passes."""
    try:
        return bool(check(*args))
    except (checker.SolutionCheckerException, checker.FeasibilityException):
        return False


def main():
    warnings.filterwarnings("ignore")
    scenarios = {}
    for line in sys.stdin:
        scenario_path, solution_path, *checks = line.rstrip("\n").split("\t")
        if scenario_path not in scenarios:
            scenarios[scenario_path] = CommonRoadFileReader(scenario_path).open()
        scenario, problems = scenarios[scenario_path]
        solution = CommonRoadSolutionReader.open(solution_path)
        said = {"cost": costs(scenario, problems, solution)}
        said |= {name: checked(CHECKS[name], scenario, problems, solution) for name in checks}
        print(MARK + json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
