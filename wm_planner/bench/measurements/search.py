"""Evaluations that a planner needs to match plain CEM: on recorded problems, and in closed loop."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.table import Table

from wm_planner.bench.problems.cost_curve import CostCurve
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel
from wm_planner.costs import build_costs
from wm_planner.evaluation.closed_loop.episode_log import EpisodeLog
from wm_planner.evaluation.closed_loop.episodes import EpisodeResult, run_episode, run_episodes
from wm_planner.evaluation.closed_loop.policies import ImageGoalPolicy
from wm_planner.evaluation.closed_loop.success import (
    Bundle,
    SuccessRow,
    row_from_results,
    success_table,
)
from wm_planner.launching import file as launch_file
from wm_planner.parallel import parallel
from wm_planner.planners import PLANNERS
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan, Planner
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.planners.problem import Problem
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import load_scene
from wm_planner.terminal import table
from wm_planner.world_models.onnx.model import OnnxWorldModel

PLAIN = {"type": "vjepa2_ac"}
ICEM = {
    "type": "icem",
    "samples": 48,
    "iterations": 10,
    "elites": 6,
    "decay": 1.0,
    "init_std": 1.0,
    "min_std": 0.0,
    "knots": {"count": 4},
}
"""Tuned on 50 problems of seeds 4000 to 4009. Plain CEM takes 4001 evaluations, this at most 485."""
RECORDER = {"samples": 96}
"""The launch file's search, which records the problems, runs without a policy and with more samples."""
PROBLEMS_PER_EPISODE = 5


def search_tables(
    launch: Path,
    model: str,
    problems: int,
    episodes: int,
    first_seed: int,
    log: EpisodeLog,
    workers: int,
) -> Iterator[Table]:
    """Both tables; each is yielded when it is done.

    Args:
        launch: launch file, from which scene, steps, horizon and costs are taken.
        model: path of the bundle.
        problems: number of problems to record in closed loops of the launch file's planner; 0 to skip them.
        episodes: number of episodes with each planner; 0 to skip them.
        first_seed: seed of the first episode.
        log: log of finished episodes.
        workers: number of processes.
    """
    nodes = {node.program.stem: node.params for node in launch_file.load(launch, "bench").nodes}
    scene, steps = nodes["simulator"]["scene"], nodes["simulator"]["steps"]
    policy = Bundle(model, {**nodes["planner"]["planner"], **RECORDER}, nodes["planner"]["costs"])
    icem, plain = (
        replace(policy, planner={**planner, "horizon": policy.planner["horizon"]})
        for planner in (ICEM, PLAIN)
    )
    if problems:
        seeds = range(first_seed, first_seed + math.ceil(problems / PROBLEMS_PER_EPISODE))
        recorded = record_problems(scene, policy, seeds, steps)[:problems]
        yield comparison_table(compare(recorded, icem, plain, workers))
    if episodes:
        seeds = range(first_seed, first_seed + episodes)
        rows = success_rows(scene, (icem, plain), seeds, steps, log, workers)
        yield success_table(f"{launch.stem}: {steps} steps, distance at the end", list(rows))


@dataclass(frozen=True, slots=True)
class RecordedProblem:
    """A planning problem of one tick of a closed loop."""

    latent: Latent
    context: Context
    warm_start: Actions | None
    proposals: Actions | None


class RecordingPlanner:
    """Records the problems of another planner."""

    discrete = False

    def __init__(self, planner: Planner) -> None:
        self.planner, self.horizon = planner, planner.horizon
        self.problems: list[RecordedProblem] = []

    def plan(self, problem: Problem, **options: Any) -> Plan:
        """See `Planner.plan`."""
        self.problems.append(
            RecordedProblem(problem.latent, problem.context, options["warm_start"], options["proposals"])
        )
        return self.planner.plan(problem, **options)


def record_problems(scene: str, bundle: Bundle, seeds: Sequence[int], steps: int) -> list[RecordedProblem]:
    """Problems of closed-loop episodes, PROBLEMS_PER_EPISODE each, at ticks that shift with every episode.

    Args:
        scene: path of the scene file.
        bundle: model, planner and costs of the closed loop.
        seeds: seeds of the episodes.
        steps: control steps per episode.
    """
    simulator = MujocoSimulator(load_scene(scene))
    model = OnnxWorldModel.load(bundle.path, device="cpu")
    problems = []
    for number, seed in enumerate(seeds):
        recorder = RecordingPlanner(PLANNERS.build(bundle.planner, "planner"))
        costs = build_costs(bundle.costs, "costs")
        mpc = RecedingHorizon(RecedingHorizon.Config(), recorder, model, costs, seed=0)
        run_episode(simulator, ImageGoalPolicy(model, mpc), seed, steps)
        every = steps // PROBLEMS_PER_EPISODE
        problems += recorder.problems[number % every :: every]
    simulator.close()
    return problems


@dataclass(frozen=True, slots=True)
class Comparison:
    """iCEM and plain CEM on one problem.

    Attributes:
        cost: final cost of iCEM.
        final: final cost of plain CEM, by its initial mean.
        needed: evaluations until iCEM's best cost was no higher, by the initial mean of plain CEM.
        evaluations: evaluations of plain CEM.
    """

    cost: float
    final: Mapping[str, float]
    needed: Mapping[str, float]
    evaluations: int


def compare_serially(problems: Sequence[RecordedProblem], icem: Bundle, plain: Bundle) -> list[Comparison]:
    """Compare the planners; plain CEM starts from the previous plan, and from zeros as published."""
    model, costs = OnnxWorldModel.load(icem.path, device="cpu"), build_costs(icem.costs, "costs")
    icem_planner, plain_planner = (PLANNERS.build(bundle.planner, "bench") for bundle in (icem, plain))
    rows = []
    for seed, problem in enumerate(problems):
        plan, curve = search(model, costs, problem, icem_planner, seed)
        starts = {
            "previous plan": replace(problem, proposals=None),
            "zeros": replace(problem, warm_start=None, proposals=None),
        }
        plans = {name: search(model, costs, each, plain_planner, seed)[0] for name, each in starts.items()}
        final = {name: other.cost for name, other in plans.items()}
        needed = {name: curve.evaluations_to(cost) for name, cost in final.items()}
        rows.append(Comparison(plan.cost, final, needed, max(other.evaluations for other in plans.values())))
    return rows


def search(
    model: WorldModel, costs: Sequence[WeightedCost], problem: RecordedProblem, planner: Planner, seed: int
) -> tuple[Plan, CostCurve]:
    """Solve a recorded problem; return the plan and the curve of its search."""
    curve = CostCurve(costs)
    plan = planner.plan(
        Problem(model, problem.latent, [WeightedCost("total", curve)], problem.context),
        rng=np.random.default_rng(seed),
        warm_start=problem.warm_start,
        proposals=problem.proposals,
    )
    return plan, curve


def compare(
    problems: Sequence[RecordedProblem], icem: Bundle, plain: Bundle, workers: int
) -> list[Comparison]:
    """`compare_serially` in parallel processes."""
    chunks = [problems[worker::workers] for worker in range(workers)]
    with parallel(partial(compare_serially, icem=icem, plain=plain), chunks, workers) as results:
        return [row for rows in results for row in rows]


def success_rows(
    scene: str, bundles: Sequence[Bundle], seeds: Sequence[int], steps: int, log: EpisodeLog, workers: int
) -> Iterator[SuccessRow]:
    """Success of each bundle in closed loop."""
    for bundle in bundles:

        def run(chunk: Sequence[int], bundle: Bundle = bundle) -> list[EpisodeResult]:
            return run_episodes(scene, bundle, chunk, steps, workers=workers)

        policy = msgspec.json.encode([bundle, scene, steps]).decode()
        yield row_from_results(str(bundle.planner["type"]), scene, log.run(policy, seeds, workers, run))


def comparison_table(rows: Sequence[Comparison]) -> Table:
    """The comparisons as a table, one row per initial mean of plain CEM."""
    budget = rows[0].evaluations
    result = table(
        f"{len(rows)} recorded problems: evaluations of iCEM until it reaches the final cost of plain CEM, "
        f"which takes {budget}",
        *("plain CEM starts from", "25 %", "50 %", "75 %", f"within {budget // 8}"),
        *("median cost ratio", "ratio of sums"),
    )
    for name in rows[0].final:
        needed = np.array([row.needed[name] for row in rows])
        cost, final = np.array([(row.cost, row.final[name]) for row in rows]).T
        quartiles = (f"{count:.0f}" for count in np.quantile(needed, (0.25, 0.5, 0.75), method="higher"))
        within = f"{np.count_nonzero(needed <= budget / 8)} of {len(rows)}"
        ratios = f"{np.median(cost / final):.2f}", f"{sum(cost) / sum(final):.2f}"
        result.add_row(name, *quartiles, within, *ratios)
    return result
