"""All scores of one drive in the closed loop."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.evaluation.closed_loop import DriveResult
from wm_planner.driving.evaluation.commonroad_solutions import conditions_met, costs_of
from wm_planner.driving.evaluation.navsim_plans import scored_plans
from wm_planner.driving.metrics.displacement import MOVING_M
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.expert import expert_progress
from wm_planner.driving.metrics.nuplan import closed_loop
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes

Floats = NDArray[np.float64]
Parts = dict[str, float]


class DriveScores(msgspec.Struct, frozen=True, kw_only=True):
    """One drive; times in seconds. What could not be scored is empty or None.

    Attributes:
        file: that the scenario was read from.
        scenario: its id.
        problem: number of the problem.
        planner: its name.
        agents: "replay" or "idm".
        duration_s: of the drive.
        moving: how many of the obstacles moved by more than 5 m while it lasted.
        expert: whose progress was wanted: "recorded" or "idm".
        human_filter: whether NAVSIM's was on.
        reached: whether the goal was reached, without a collision and without leaving the road before.
        collided: whether anything was touched, whoever is to blame.
        off_road: whether the road was left.
        nuplan: the closed-loop score and its parts.
        pdms: NAVSIM 1's score and its parts, means over the plans that were judged.
        epdms: NAVSIM 2's, the same.
        plans: how many were judged.
        commonroad: costs by name.
        conditions: of a CommonRoad solution, by name.
        plan_cpu_s, plan_wall_s: of every plan.
        error: what the planner raised.
        solution: file of the CommonRoad solution that holds the drive; empty if none was written.
    """

    file: str
    scenario: str
    problem: int
    planner: str
    agents: str
    duration_s: float
    moving: int
    expert: str
    human_filter: bool
    reached: bool
    collided: bool
    off_road: bool
    nuplan: Parts
    pdms: Parts
    epdms: Parts
    plans: int
    commonroad: dict[str, float | None]
    conditions: dict[str, bool]
    plan_cpu_s: list[float]
    plan_wall_s: list[float]
    error: str = ""
    solution: str = ""

    @property
    def valid(self) -> bool | None:
        """Whether it solves a CommonRoad problem; None where that cannot be told."""
        return all(self.conditions.values()) if self.conditions else None


def scores_of(driven: DriveResult, file: str, problem: int, planner: str, agents: str) -> DriveScores:
    """Score a drive; one that ended with an error has no scores."""
    history = driven.history
    world, steps = history.as_scenario(), len(history.ego)
    obstacles = ObstacleBoxes.from_scenario(world, history.first_step, steps)
    judged = [] if driven.error else list(scored_plans(driven, obstacles))
    return DriveScores(
        file=file,
        scenario=history.scenario.id,
        problem=problem,
        planner=planner,
        agents=agents,
        duration_s=round((steps - 1) * history.scenario.dt, 6),
        moving=_moving(history.agents),
        expert="recorded" if history.scenario.ego else "idm",
        human_filter=any(extended.human_filter for _, extended in judged),
        reached=driven.reached,
        collided=driven.collided,
        off_road=driven.off_road,
        nuplan={} if driven.error else _nuplan(driven, obstacles),
        pdms=_means([pdms for pdms, _ in judged]),
        epdms=_means([extended for _, extended in judged]),
        plans=len(judged),
        commonroad={} if driven.error else costs_of(driven),
        conditions={} if driven.error else dict(conditions_met(driven)),
        plan_cpu_s=driven.cpu_s.tolist(),
        plan_wall_s=driven.wall_s.tolist(),
        error=driven.error,
    )


def _nuplan(driven: DriveResult, obstacles: ObstacleBoxes) -> Parts:
    history, road_context = driven.history, driven.drive.road_context
    states = history.vehicle.at_centre(history.ego)
    trajectories = EgoTrajectories(states[None], history.vehicle, history.scenario.dt)
    wanted = expert_progress(history.scenario, road_context, states[0, :4], len(states))
    return _means([closed_loop(trajectories, obstacles, road_context, wanted)])


def _means(scores: Sequence[Any]) -> Parts:
    """Means over scores of N = 1, part by part; what is not finite counts as not there."""
    if not scores:
        return {}
    names = [name for name, part in scores[0]._asdict().items() if isinstance(part, np.ndarray)]
    columns = {name: np.array([getattr(score, name)[0] for score in scores]) for name in names}
    known = {name: column[np.isfinite(column)] for name, column in columns.items()}
    return {name: float(column.mean()) for name, column in known.items() if len(column)}


def _moving(agents: Floats) -> int:
    """How many of (A, T, 4) end farther than MOVING_M from where they were first seen."""
    count = 0
    for states in agents:
        seen = states[np.isfinite(states[:, 0]), :2]
        count += bool(len(seen) and np.hypot(*(seen[-1] - seen[0])) > MOVING_M)
    return count
