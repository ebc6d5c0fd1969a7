"""Quality and speed of the planners, on problems with known optima and with trivial models."""

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
from wm_planner.clock import Clock, Deadline, WallClock
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
    """A planner on the linear problem; costs are relative to the optimum of the Riccati recursion.

    Attributes:
        name: name of the planner.
        rollouts: number of evaluated candidates.
        cost: cost of the plan for each seed.
        curve: median over seeds of the best cost after `CURVE` rollouts.
        cpu_s: median CPU time per plan, in s.
    """

    name: str
    rollouts: int
    cost: tuple[float, ...]
    curve: tuple[float, ...]
    cpu_s: float


def planner_tables(seeds: int, processes: int, plans: int, deadline_rounds: int) -> Iterator[Table]:
    """All tables of the benchmark; each is yielded when it is done.

    Args:
        seeds: number of seeds of the linear problem.
        processes: number of random decision processes for the tree search.
        plans: timed plans per row.
        deadline_rounds: rounds of 500 plans with a deadline; 0 to skip them.
    """
    linear = linear_rows(seeds)
    costs = table(
        f"planar double integrator, H 20: cost relative to the optimum (Riccati), {seeds} seeds",
        *("planner", "rollouts", "median", "worst", "CPU per plan"),
    )
    for row in linear:
        figures = (f"{np.median(row.cost):.4f}", f"{max(row.cost):.4f}", f"{1000 * row.cpu_s:.0f} ms")
        costs.add_row(row.name, str(row.rollouts), *figures)
    yield costs
    curve = table("the same: median of the best cost after a number of rollouts", "planner", *map(str, CURVE))
    for row in linear:
        curve.add_row(row.name, *(f"{ratio:.3f}" for ratio in row.curve))
    yield curve
    trees = table(
        "tree search on random decision processes with 12 states and 4 actions",
        *("root, simulations, leaves", "optimal", "CPU per simulation"),
    )
    for tree in tree_rows(processes):
        share = f"{tree.optimal} of {tree.processes}"
        trees.add_row(tree.name, share, f"{1e6 * tree.cpu_s:.0f} us")
    yield trees
    speeds = table(f"one plan, over {plans} plans", "planner, problem", "median CPU", "mean wall")
    for speed in speed_rows(plans):
        speeds.add_row(speed.name, f"{1000 * speed.cpu_s:.2f} ms", f"{1000 * speed.wall_s:.2f} ms")
    yield speeds
    if deadline_rounds:
        late = table(
            "deadline of 50 ms, iCEM on the bicycle, with a second process that keeps a core busy",
            *("round", "plans", "overrun p99", "worst", "iterations", "load"),
        )
        for index, timed in enumerate(deadline_rows(deadline_rounds)):
            overrun = (f"{1000 * timed.overrun_s:.2f} ms", f"{1000 * timed.worst_s:.2f} ms")
            rest = (f"{timed.iterations:.0f}", f"{timed.load:.1f}")
            late.add_row(str(index + 1), str(timed.plans), *overrun, *rest)
        yield late


def linear_rows(seeds: int = 11) -> list[LinearRow]:
    """CEM, iCEM and MPPI with 10,000 rollouts each on the planar double integrator (H 20, dt 0.1 s)."""
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
            curves.append(
                [cost.best_after(count + 2) / optimum for count in CURVE]
            )  # 2 more: warm start and mean
        curve = tuple(float(ratio) for ratio in np.median(curves, axis=0))
        rows.append(LinearRow(name, rollouts, tuple(costs), curve, float(np.median(times))))
    return rows


@dataclass(frozen=True, slots=True)
class TreeRow:
    """Monte Carlo tree search on random decision processes with 12 states and 4 actions.

    Attributes:
        name: rule at the root, number of simulations, values.
        optimal: number of processes in which the first action is optimal.
        processes: number of processes.
        cpu_s: mean CPU time per simulation, in s.
    """

    name: str
    optimal: int
    processes: int
    cpu_s: float


def tree_rows(processes: int = 100) -> list[TreeRow]:
    """Tree search with exact values and 50 simulations, and without values and 400 simulations."""
    rows = []
    for root in ("puct", "gumbel"):
        for simulations, costs in ((50, ("reward", "value")), (400, ("reward",))):
            planner = MCTS(MCTS.Config(horizon=4, simulations=simulations, root=root))
            optimal, cpu_s = 0, 0.0
            for seed in range(processes):
                process = DecisionProcess(seed)
                started = time.process_time()
                plan = planner.plan(process.problem(costs=costs), rng=np.random.default_rng(seed))
                cpu_s += time.process_time() - started
                optimal += int(plan.actions[0, 0]) == int(np.argmax(process.q()[0]))
            values = "exact values" if "value" in costs else "no values"
            name = f"{root}, {simulations}, {values}"
            rows.append(TreeRow(name, optimal, processes, cpu_s / processes / simulations))
    return rows


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """Time per plan in s: median CPU time and mean wall time."""

    name: str
    cpu_s: float
    wall_s: float


def speed_rows(plans: int = 200) -> list[SpeedRow]:
    """Planners with a trivial model and cost, and one iteration on the bicycle."""
    rows = [
        _timed(f"{kind}, null cost, 300 x 10 x H 5 x A 10", {"type": kind, **NULL}, null_problem(), plans)
        for kind in ("cem", "icem", "mppi")
    ]
    rows += [
        _timed(
            f"{kind}, bicycle, 1000 x H 30, one iteration",
            {"type": kind, **BICYCLE},
            bicycle_problem(),
            plans,
        )
        for kind in ("cem", "mppi")
    ]
    return rows


def _timed(name: str, spec: Spec, problem: Problem, plans: int) -> SpeedRow:
    plan_seconds(spec, problem, range(5))  # warm-up
    wall = time.perf_counter()
    cpu = plan_seconds(spec, problem, range(plans))
    return SpeedRow(name, float(np.median(cpu)), (time.perf_counter() - wall) / plans)


def plan_seconds(spec: Spec, problem: Problem, seeds: Sequence[int]) -> list[float]:
    """CPU seconds per plan, for each seed."""
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
    """Plans with a deadline while a second process keeps a core busy.

    Attributes:
        plans: number of plans.
        overrun_s: 99th percentile of the time beyond the deadline.
        worst_s: longest time beyond the deadline.
        iterations: median number of iterations.
        load: load average of the machine over the last minute.
    """

    plans: int
    overrun_s: float
    worst_s: float
    iterations: float
    load: float


def deadline_rows(
    rounds: int = 3, plans: int = 500, deadline_s: float = 0.05, clock: Clock | None = None
) -> list[DeadlineRow]:
    """iCEM on the bicycle, with far more iterations than the deadline permits."""
    busy = multiprocessing.get_context("spawn").Process(target=_keep_busy, daemon=True)
    busy.start()
    try:
        return [_deadline_round(plans, deadline_s, clock or WallClock()) for _ in range(rounds)]
    finally:
        busy.terminate()
        busy.join()


def _deadline_round(plans: int, deadline_s: float, clock: Clock) -> DeadlineRow:
    spec = {"type": "icem", "horizon": 30, "samples": 256, "elites": 24, "iterations": 1_000_000}
    planner: Planner = PLANNERS.build(spec, "bench")
    problem = bicycle_problem()
    overruns, iterations = [], []
    for seed in range(plans):
        deadline = Deadline.after(clock, deadline_s)
        plan: Plan = planner.plan(problem, rng=np.random.default_rng(seed), deadline=deadline)
        overruns.append(max(0.0, -deadline.left_s()))
        iterations.append(plan.iterations)
    p99 = np.percentile(overruns, 99)
    return DeadlineRow(plans, float(p99), max(overruns), float(np.median(iterations)), os.getloadavg()[0])


def _keep_busy() -> None:
    while True:
        pass


def bicycle_problem() -> Problem:
    """A car at 8 m/s with a goal 20 m ahead and an obstacle in between."""
    model = BicycleModel(BicycleModel.Config())
    state = {"position": np.zeros(2), "heading": np.zeros(1), "speed": np.full(1, 8.0)}
    costs = [
        {"type": "state_goal", "state": "position", "mean_weight": 0.0},
        {"type": "keep_out", "state": "position", "spheres": [[10.0, 0.5, 2.0]], "weight": 100.0},
    ]
    context = Context(goal={"position": np.array([20.0, 0.0], np.float32)})
    return Problem(model, model.encode(Observation({}, state)), build_costs(costs, "bench"), context)


class _Trivial:
    """A model and a cost that take no time, with only what `Problem` needs here."""

    requires: frozenset[str] = frozenset()
    card = Card(
        name="trivial",
        family="none",
        about="no dynamics",
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
    trivial = _Trivial()
    return Problem(trivial, {"z": np.zeros((1, 1))}, [WeightedCost("trivial", trivial)], Context())
