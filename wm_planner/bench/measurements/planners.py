"""How good and how quick the planners are, on problems of known answers and models that cost nothing."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from wm_planner.bench.problems.decision_process import DecisionProcess
from wm_planner.bench.problems.linear_problem import HORIZON, linear_problem, riccati
from wm_planner.clock import Deadline, WallClock
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import ActionSpec, Card, LatentSpec, ObservationSpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs import build_costs
from wm_planner.driving.vehicle.bicycle_model import BicycleModel
from wm_planner.planners import PLANNERS
from wm_planner.planners.base import Plan, Planner
from wm_planner.planners.mcts import MCTS
from wm_planner.planners.problem import Problem
from wm_planner.terminal import table

Spec = Mapping[str, Any]

_FITTED = {"horizon": HORIZON, "samples": 500, "iterations": 20, "init_std": 0.5, "min_std": 0.0}
LINEAR: dict[str, Spec] = {
    "CEM": {"type": "cem", "elites": 50, **_FITTED},
    "iCEM": {"type": "icem", "elites": 50, "noise_beta": 0.5, "decay": 1.0, **_FITTED},
    "MPPI": {"type": "mppi", "elites": 100, **_FITTED},
}
NULL = {"horizon": 5, "samples": 300, "iterations": 10, "elites": 30}
BICYCLE = {"horizon": 30, "samples": 999, "iterations": 1, "elites": 100}
CURVE = (500, 1000, 2000, 4000, 6000, 8000, 10_000)  # rollouts


@dataclass(frozen=True, slots=True)
class LinearRow:
    """A planner on the linear problem; costs are ratios to Riccati's.

    Attributes:
        rollouts: candidates evaluated.
        cost: of each seed's plan.
        curve: the median over the seeds of the best cost after `CURVE` rollouts.
        cpu_s: of a plan, median.
    """

    name: str
    rollouts: int
    cost: tuple[float, ...]
    curve: tuple[float, ...]
    cpu_s: float


def planner_tables(seeds: int, processes: int, plans: int, deadline_rounds: int) -> Iterator[Table]:
    """All tables of the benchmark, each as it is done.

    Args:
        seeds: of the linear problem.
        processes: random decision processes for the tree search.
        plans: timed plans a row.
        deadline_rounds: of 500 plans under a deadline; 0 leaves them out.
    """
    linear = linear_rows(seeds)
    costs = table(
        f"planar double integrator, H 20: cost over Riccati's, {seeds} seeds",
        *("planner", "rollouts", "median", "worst", "CPU a plan"),
    )
    for row in linear:
        figures = (f"{np.median(row.cost):.4f}", f"{max(row.cost):.4f}", f"{1000 * row.cpu_s:.0f} ms")
        costs.add_row(row.name, str(row.rollouts), *figures)
    yield costs
    curve = table("the same: median of the best cost after so many rollouts", "planner", *map(str, CURVE))
    for row in linear:
        curve.add_row(row.name, *(f"{ratio:.3f}" for ratio in row.curve))
    yield curve
    trees = table(
        "tree search on random processes of 12 states and 4 choices",
        *("root, simulations, leaves", "optimal", "CPU a simulation"),
    )
    for tree in tree_rows(processes):
        share = f"{tree.optimal} of {tree.processes}"
        trees.add_row(tree.name, share, f"{1e6 * tree.cpu_s:.0f} us")
    yield trees
    speeds = table(f"one plan, of {plans}", "planner, problem", "CPU, median", "wall, mean")
    for speed in speed_rows(plans):
        speeds.add_row(speed.name, f"{1000 * speed.cpu_s:.2f} ms", f"{1000 * speed.wall_s:.2f} ms")
    yield speeds
    if deadline_rounds:
        late = table(
            "deadline of 50 ms, iCEM over the bicycle, a second process burning a core",
            *("round", "plans", "overrun p99", "worst", "rounds done", "load"),
        )
        for index, told in enumerate(deadline_rows(deadline_rounds)):
            overrun = (f"{1000 * told.overrun_s:.2f} ms", f"{1000 * told.worst_s:.2f} ms")
            done = (f"{told.iterations:.0f}", f"{told.load:.1f}")
            late.add_row(str(index + 1), str(told.plans), *overrun, *done)
        yield late


def linear_rows(seeds: int = 11) -> list[LinearRow]:
    """CEM, iCEM and MPPI with 10,000 rollouts of the planar double integrator (H 20, dt 0.1 s)."""
    optimum, _ = riccati()
    rows = []
    for name, spec in LINEAR.items():
        planner: Planner = PLANNERS.build(spec, "bench")
        costs, curves, times, rollouts = [], [], [], 0
        for seed in range(seeds):
            problem, cost = linear_problem()
            started = time.process_time()
            plan = planner.plan(problem, rng=np.random.default_rng(seed))
            times.append(time.process_time() - started)
            costs.append(plan.cost / optimum)
            rollouts = plan.evaluations
            curves.append([cost.best_after(count + 2) / optimum for count in CURVE])  # 2: start and mean
        curve = tuple(float(ratio) for ratio in np.median(curves, axis=0))
        rows.append(LinearRow(name, rollouts, tuple(costs), curve, float(np.median(times))))
    return rows


@dataclass(frozen=True, slots=True)
class TreeRow:
    """Monte Carlo tree search on random processes of 12 states and 4 choices.

    Attributes:
        optimal: processes in which its first choice is optimal, of `processes`.
        cpu_s: of a simulation, mean.
    """

    name: str
    optimal: int
    processes: int
    cpu_s: float


def tree_rows(processes: int = 100) -> list[TreeRow]:
    """With exact values and 50 simulations, and without values and 400."""
    rows = []
    for root in ("puct", "gumbel"):
        for simulations, costs in ((50, ("reward", "value")), (400, ("reward",))):
            planner = MCTS(MCTS.Config(horizon=4, simulations=simulations, root=root))
            optimal, spent = 0, 0.0
            for seed in range(processes):
                process = DecisionProcess(seed)
                started = time.process_time()
                plan = planner.plan(process.problem(costs=costs), rng=np.random.default_rng(seed))
                spent += time.process_time() - started
                optimal += int(plan.actions[0, 0]) == int(np.argmax(process.q()[0]))
            values = "exact values" if "value" in costs else "no values"
            name = f"{root}, {simulations}, {values}"
            rows.append(TreeRow(name, optimal, processes, spent / processes / simulations))
    return rows


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """A plan's time in seconds: median of the CPU, mean of the wall."""

    name: str
    cpu_s: float
    wall_s: float


def speed_rows(plans: int = 200) -> list[SpeedRow]:
    """The planners themselves over a model and a cost that do nothing, and one round over the bicycle."""
    rows = [
        _timed(f"{kind}, null cost, 300 x 10 x H 5 x A 10", {"type": kind, **NULL}, null_problem(), plans)
        for kind in ("cem", "icem", "mppi")
    ]
    rows += [
        _timed(
            f"{kind}, bicycle, 1000 x H 30, one round", {"type": kind, **BICYCLE}, bicycle_problem(), plans
        )
        for kind in ("cem", "mppi")
    ]
    return rows


def _timed(name: str, spec: Spec, problem: Problem, plans: int) -> SpeedRow:
    plan_seconds(spec, problem, range(5))  # warms caches up
    wall = time.perf_counter()
    cpu = plan_seconds(spec, problem, range(plans))
    return SpeedRow(name, float(np.median(cpu)), (time.perf_counter() - wall) / plans)


def plan_seconds(spec: Spec, problem: Problem, seeds: Sequence[int]) -> list[float]:
    """CPU seconds of a plan a seed."""
    planner: Planner = PLANNERS.build(spec, "bench")
    times = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        started = time.process_time()
        planner.plan(problem, rng=rng)
        times.append(time.process_time() - started)
    return times


@dataclass(frozen=True, slots=True)
class DeadlineRow:
    """Plans under a deadline while a second process burns a core.

    Attributes:
        overrun_s: time after the deadline, 99th percentile.
        worst_s: the longest of it.
        iterations: rounds done, median.
        load: the machine's load average over the last minute.
    """

    plans: int
    overrun_s: float
    worst_s: float
    iterations: float
    load: float


def deadline_rows(rounds: int = 3, plans: int = 500, deadline_s: float = 0.05) -> list[DeadlineRow]:
    """iCEM over the bicycle, told to iterate forever."""
    burner = multiprocessing.get_context("spawn").Process(target=_burn, daemon=True)
    burner.start()
    try:
        return [_deadline_round(plans, deadline_s) for _ in range(rounds)]
    finally:
        burner.terminate()
        burner.join()


def _deadline_round(plans: int, deadline_s: float) -> DeadlineRow:
    spec = {"type": "icem", "horizon": 30, "samples": 256, "elites": 24, "iterations": 1_000_000}
    planner: Planner = PLANNERS.build(spec, "bench")
    problem, clock = bicycle_problem(), WallClock()
    overruns, iterations = [], []
    for seed in range(plans):
        deadline = Deadline.after(clock, deadline_s)
        plan: Plan = planner.plan(problem, rng=np.random.default_rng(seed), deadline=deadline)
        overruns.append(max(0.0, -deadline.left_s()))
        iterations.append(plan.iterations)
    late = np.percentile(overruns, 99)
    return DeadlineRow(plans, float(late), max(overruns), float(np.median(iterations)), os.getloadavg()[0])


def _burn() -> None:
    while True:
        pass


def bicycle_problem() -> Problem:
    """A car at 8 m/s with a goal 20 m ahead and an obstacle on the way."""
    model = BicycleModel(BicycleModel.Config())
    state = {"position": np.zeros(2), "heading": np.zeros(1), "speed": np.full(1, 8.0)}
    costs = [
        {"type": "state_goal", "state": "position", "mean_weight": 0.0},
        {"type": "keep_out", "state": "position", "spheres": [[10.0, 0.5, 2.0]], "weight": 100.0},
    ]
    context = Context(goal={"position": np.array([20.0, 0.0], np.float32)})
    return Problem(model, model.encode(Observation({}, state)), build_costs(costs, "bench"), context)


class _Nothing:
    """A model and a cost that cost nothing; `Problem` asks no more of them here."""

    requires: frozenset[str] = frozenset()
    card = Card(
        name="nothing",
        family="none",
        about="no model at all",
        observation=ObservationSpec(),
        action=ActionSpec(
            names=tuple(f"a{i}" for i in range(10)), units=("",) * 10, low=(-1.0,) * 10, high=(1.0,) * 10
        ),
        control_dt_s=1.0,
        latents=(LatentSpec(name="z", shape=(1,)),),
    )
    encode: Callable[..., Any]
    step: Callable[..., Any]

    def rollout(self, latent: Any, actions: Array, noise: Any = None) -> Rollout:
        return Rollout({})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        return actions[:, 0, 0]


def null_problem() -> Problem:
    nothing = _Nothing()
    return Problem(nothing, {"z": np.zeros((1, 1))}, [WeightedCost("nothing", nothing)], Context())
