"""Closed-loop success rates of models, baselines and oracles on the same seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from wm_planner.config import convert
from wm_planner.costs import build_costs
from wm_planner.evaluation.closed_loop.episodes import EpisodeResult, run_episodes, within
from wm_planner.evaluation.closed_loop.policies import (
    ImageGoalPolicy,
    Policy,
    RandomActions,
    StraightLine,
)
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.simulation.arm_simulator import ArmSimulator
from wm_planner.simulation.scene import Disturbance
from wm_planner.terminal import table
from wm_planner.world_models.onnx.model import OnnxWorldModel

RADII_M = (0.05, 0.025)


@dataclass(frozen=True)
class Bundle:
    """Builds a policy that plans with a bundle towards goal images, as the planner node does.

    Attributes:
        path: path of the bundle.
        planner, costs, mpc: as in a launch file.
    """

    path: str
    planner: Mapping[str, Any]
    costs: Sequence[Mapping[str, Any]]
    mpc: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, simulator: ArmSimulator) -> Policy:
        model = OnnxWorldModel.load(self.path, device="cpu")
        planner = PLANNERS.build(self.planner, "planner")
        costs = build_costs(self.costs, "costs")
        loop = convert(self.mpc, RecedingHorizon.Config, "mpc")
        return ImageGoalPolicy(model, RecedingHorizon(loop, planner, model, costs, seed=0))

    def greedy(self) -> "Bundle":
        """The same planner with a horizon of one step, and without the model's policy."""
        return Bundle(self.path, {**self.planner, "horizon": 1}, self.costs)


def straight_line(simulator: ArmSimulator) -> Policy:
    """A policy that moves straight to the true goal position."""
    return StraightLine()


def random_actions(simulator: ArmSimulator) -> Policy:
    """A policy that moves at random."""
    return RandomActions()


class SuccessRow(msgspec.Struct, frozen=True):
    """Success of one policy.

    Attributes:
        policy: name of the policy.
        scene: path of the scene file.
        episodes: number of episodes.
        start_steps: random actions between goal and start; None for the scene's own starts.
        near, nearer: successes within 5 cm and within 2.5 cm, each with the 95 % Wilson interval.
        median_m, p90_m: median and 90th percentile of the final distance, in m.
        plan_cpu_s: median CPU time per plan, with the encoding, in s.
        decide_cpu_s: the same without the encoding.
    """

    policy: str
    scene: str
    episodes: int
    start_steps: int | None
    near: tuple[int, float, float]
    nearer: tuple[int, float, float]
    median_m: float
    p90_m: float
    plan_cpu_s: float
    decide_cpu_s: float = 0.0


def success_row(
    name: str,
    scene: str,
    policy: Any,
    seeds: Sequence[int],
    steps: int,
    disturbance: Disturbance | None = None,
    workers: int = 2,
    near: int | None = None,
) -> SuccessRow:
    """Run one episode of `steps` control steps per seed, and evaluate the final distances."""
    return row_from_results(
        name, scene, run_episodes(scene, policy, seeds, steps, disturbance, workers, near), near
    )


def row_from_results(
    name: str, scene: str, results: Sequence[EpisodeResult], near: int | None = None
) -> SuccessRow:
    """The row of finished episodes."""
    ends = [result.end for result in results]
    return SuccessRow(
        policy=name,
        scene=scene,
        episodes=len(results),
        start_steps=near,
        near=_counts(results, RADII_M[0]),
        nearer=_counts(results, RADII_M[1]),
        median_m=float(np.median(ends)),
        p90_m=float(np.percentile(ends, 90)),
        plan_cpu_s=_median(result.plan_cpu_s for result in results),
        decide_cpu_s=_median(
            result.plan_cpu_s - result.encode_cpu_s for result in results if len(result.encode_cpu_s)
        ),
    )


def success_table(title: str, rows: Sequence[SuccessRow]) -> Table:
    """The rows as a table."""
    result = table(
        f"{title}; in brackets the 95 % interval in %",
        *("policy", "within 5 cm", "within 2.5 cm", "median", "p90", "CPU per plan", "without encoding"),
    )
    for row in rows:
        result.add_row(
            row.policy,
            _share(row.near, row.episodes),
            _share(row.nearer, row.episodes),
            f"{100 * row.median_m:.1f} cm",
            f"{100 * row.p90_m:.1f} cm",
            _milliseconds(row.plan_cpu_s),
            _milliseconds(row.decide_cpu_s),
        )
    return result


def _median(times: Iterable[NDArray[np.float64]]) -> float:
    """The median over all episodes; 0 without any."""
    every = list(times)
    return float(np.median(np.concatenate(every))) if every else 0.0


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.2f} ms" if seconds else "-"


def _counts(results: Sequence[EpisodeResult], radius_m: float) -> tuple[int, float, float]:
    interval = within(results, radius_m)
    return interval.successes, interval.low, interval.high


def _share(counts: tuple[int, float, float], episodes: int) -> str:
    successes, low, high = counts
    return f"{successes}/{episodes} [{100 * low:.0f}, {100 * high:.0f}]"
