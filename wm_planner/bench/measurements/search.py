"""How few evaluations a planner needs for what plain CEM reaches: on recorded problems, in a closed loop."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from joblib import Parallel, delayed
from rich.table import Table

from wm_planner.bench.problems.cost_curve import CostCurve
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel
from wm_planner.costs import build_costs
from wm_planner.evaluation.closed_loop.episode_log import EpisodeLog
from wm_planner.evaluation.closed_loop.episodes import EpisodeResult, run_episode, run_episodes
from wm_planner.evaluation.closed_loop.policies import FromPicture
from wm_planner.evaluation.closed_loop.success import (
    Bundle,
    SuccessRow,
    row_of,
    success_table,
)
from wm_planner.launching import file as launch_file
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
FRUGAL = {
    "type": "icem",
    "samples": 48,
    "iterations": 10,
    "elites": 6,
    "decay": 1.0,
    "init_std": 1.0,
    "min_std": 0.0,
    "knots": {"count": 4},
}
"""Chosen on 50 problems of seeds 4000 to 4009. Plain CEM takes 4001 evaluations, this at most 485."""
EACH = 5  # problems an episode


def search_tables(
    launch: Path,
    model: str,
    problems: int,
    episodes: int,
    first_seed: int,
    log: EpisodeLog,
    workers: int,
) -> Iterator[Table]:
    """Both tables, each as it is done.

    Args:
        launch: launch file, of which scene, steps, horizon and costs are used.
        model: path of the bundle.
        problems: recorded in closed loops of the launch file's planner, `EACH` an episode; 0 leaves them out.
        episodes: with each planner; 0 leaves them out.
        first_seed: of the episodes.
        log: of the episodes that were run already.
        workers: processes.
    """
    nodes = {node.program.stem: node.params for node in launch_file.load(launch, "bench").nodes}
    scene, steps = nodes["simulator"]["scene"], nodes["simulator"]["steps"]
    driver = Bundle(model, nodes["planner"]["planner"], nodes["planner"]["costs"])
    frugal, plain = (
        replace(driver, planner={**planner, "horizon": driver.planner["horizon"]})
        for planner in (FRUGAL, PLAIN)
    )
    if problems:
        seeds = range(first_seed, first_seed + math.ceil(problems / EACH))
        asked = recorded(scene, driver, seeds, steps)[:problems]
        yield comparison_table(compare(asked, frugal, plain, workers))
    if episodes:
        seeds = range(first_seed, first_seed + episodes)
        rows = success_rows(scene, (frugal, plain), seeds, steps, log, workers)
        yield success_table(f"{launch.stem}: {steps} steps, distance at the end", list(rows))


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a planner was asked in one tick of a closed loop."""

    latent: Latent
    context: Context
    warm_start: Actions | None
    proposals: Actions | None


class Recorder:
    """A planner that keeps what it is asked, and answers as another one does."""

    discrete = False

    def __init__(self, planner: Planner) -> None:
        self.planner, self.horizon = planner, planner.horizon
        self.asked: list[Recorded] = []

    def plan(self, problem: Problem, **how: Any) -> Plan:
        """See `Planner.plan`."""
        self.asked.append(Recorded(problem.latent, problem.context, how["warm_start"], how["proposals"]))
        return self.planner.plan(problem, **how)


def recorded(scene: str, bundle: Bundle, seeds: Sequence[int], steps: int) -> list[Recorded]:
    """Problems of closed-loop episodes, `EACH` an episode, at ticks that move on from episode to episode.

    Args:
        scene: path of the scene file.
        bundle: what drives.
        seeds: of the episodes.
        steps: control periods an episode.
    """
    simulator = MujocoSimulator(load_scene(scene))
    model = OnnxWorldModel.load(bundle.path, device="cpu")
    problems = []
    for number, seed in enumerate(seeds):
        recorder = Recorder(PLANNERS.build(bundle.planner, "planner"))
        costs = build_costs(bundle.costs, "costs")
        mpc = RecedingHorizon(RecedingHorizon.Config(), recorder, model, costs, seed=0)
        run_episode(simulator, FromPicture(model, mpc), seed, steps)
        every = steps // EACH
        problems += recorder.asked[number % every :: every]
    simulator.close()
    return problems


@dataclass(frozen=True, slots=True)
class Comparison:
    """A frugal planner and plain CEM on one problem.

    Attributes:
        cost: the frugal planner's in the end.
        final: plain CEM's in the end, by what it began with.
        needed: evaluations until the frugal planner's best cost was no more, by the same.
        evaluations: of plain CEM.
    """

    cost: float
    final: Mapping[str, float]
    needed: Mapping[str, float]
    evaluations: int


def compared(problems: Sequence[Recorded], frugal: Bundle, plain: Bundle) -> list[Comparison]:
    """The planners problem by problem; plain CEM begins with the plan before, and with zeros as published."""
    model, costs = OnnxWorldModel.load(frugal.path, device="cpu"), build_costs(frugal.costs, "costs")
    ours, theirs = (PLANNERS.build(bundle.planner, "bench") for bundle in (frugal, plain))
    rows = []
    for seed, problem in enumerate(problems):
        plan, watched = searched(model, costs, problem, ours, seed)
        begun = {
            "the plan before": replace(problem, proposals=None),
            "zeros": replace(problem, warm_start=None, proposals=None),
        }
        plans = {name: searched(model, costs, each, theirs, seed)[0] for name, each in begun.items()}
        final = {name: other.cost for name, other in plans.items()}
        needed = {name: watched.evaluations_to(cost) for name, cost in final.items()}
        rows.append(Comparison(plan.cost, final, needed, max(other.evaluations for other in plans.values())))
    return rows


def searched(
    model: WorldModel, costs: Sequence[WeightedCost], problem: Recorded, planner: Planner, seed: int
) -> tuple[Plan, CostCurve]:
    """The plan for a recorded problem, and the curve of its search."""
    watched = CostCurve(costs)
    plan = planner.plan(
        Problem(model, problem.latent, [WeightedCost("total", watched)], problem.context),
        rng=np.random.default_rng(seed),
        warm_start=problem.warm_start,
        proposals=problem.proposals,
    )
    return plan, watched


def compare(problems: Sequence[Recorded], frugal: Bundle, plain: Bundle, workers: int) -> list[Comparison]:
    """`compared`, side by side in processes."""
    shares = [problems[worker::workers] for worker in range(workers)]
    done = Parallel(n_jobs=workers)(delayed(compared)(share, frugal, plain) for share in shares)
    return [row for share in done for row in share]


def success_rows(
    scene: str, bundles: Sequence[Bundle], seeds: Sequence[int], steps: int, log: EpisodeLog, workers: int
) -> Iterator[SuccessRow]:
    """How each bundle fares in a closed loop."""
    for bundle in bundles:

        def run(some: Sequence[int], bundle: Bundle = bundle) -> list[EpisodeResult]:
            return run_episodes(scene, bundle, some, steps, workers=workers)

        policy = msgspec.json.encode([bundle, scene, steps]).decode()
        yield row_of(str(bundle.planner["type"]), scene, log.run(policy, seeds, workers, run))


def comparison_table(rows: Sequence[Comparison]) -> Table:
    """The comparisons, a line for what plain CEM began with."""
    budget = rows[0].evaluations
    told = table(
        f"{len(rows)} recorded problems: evaluations to the final cost of plain CEM, which takes {budget}",
        *("plain CEM begins with", "25 %", "50 %", "75 %", f"within {budget // 8}"),
        *("final cost, median ratio", "of the sums"),
    )
    for name in rows[0].final:
        needed = np.array([row.needed[name] for row in rows])
        cost, final = np.array([(row.cost, row.final[name]) for row in rows]).T
        quartiles = (f"{count:.0f}" for count in np.quantile(needed, (0.25, 0.5, 0.75), method="higher"))
        within = f"{np.count_nonzero(needed <= budget / 8)} of {len(rows)}"
        ratios = f"{np.median(cost / final):.2f}", f"{sum(cost) / sum(final):.2f}"
        told.add_row(name, *quartiles, within, *ratios)
    return told
