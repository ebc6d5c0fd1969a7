"""All scores of one simulated drive."""

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
Subscores = dict[str, float]


class DriveScores(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of one drive; those that do not apply are empty or None.

    Attributes:
        file: path of the scenario's file.
        scenario: id of the scenario.
        problem: index of the planning problem.
        planner: name of the planner.
        agents: "replay" or "idm".
        duration_s: duration of the drive, in s.
        moving: number of agents that moved by more than 5 m during the drive.
        expert: source of the expert's progress: "recorded" or "idm".
        human_filter: whether NAVSIM's human filter was applied.
        reached: whether the goal was reached without a collision or leaving the road before.
        collided: whether the ego touched an obstacle, at fault or not.
        off_road: whether the ego left the road.
        nuplan: nuPlan's closed-loop score and its subscores.
        pdms: NAVSIM 1's score and its subscores, means over the scored plans.
        epdms: NAVSIM 2's score and its subscores, means over the scored plans.
        plans: number of scored plans.
        commonroad: CommonRoad's costs by name.
        conditions: conditions of a CommonRoad solution by name.
        plan_cpu_s, plan_wall_s: CPU and wall time of every plan, in s.
        error: what the driver raised; empty if it did not.
        solution: path of the CommonRoad solution file; empty if none was written.
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
    nuplan: Subscores
    pdms: Subscores
    epdms: Subscores
    plans: int
    commonroad: dict[str, float | None]
    conditions: dict[str, bool]
    plan_cpu_s: list[float]
    plan_wall_s: list[float]
    error: str = ""
    solution: str = ""

    @property
    def valid(self) -> bool | None:
        """Whether the drive is a valid CommonRoad solution; None if unknown."""
        return all(self.conditions.values()) if self.conditions else None


def scores_of(result: DriveResult, file: str, problem: int, planner: str, agents: str) -> DriveScores:
    """Score a drive; a drive that ended with an error has no scores."""
    history = result.history
    steps = len(history.ego)
    obstacles = ObstacleBoxes.from_scenario(history.as_scenario(), history.first_step, steps)
    plans = [] if result.error else list(scored_plans(result, obstacles))
    return DriveScores(
        file=file,
        scenario=history.scenario.id,
        problem=problem,
        planner=planner,
        agents=agents,
        duration_s=round((steps - 1) * history.scenario.dt, 6),
        moving=_moving(history.agents),
        expert="recorded" if history.scenario.ego else "idm",
        human_filter=any(version_2.human_filter for _, version_2 in plans),
        reached=result.reached,
        collided=result.collided,
        off_road=result.off_road,
        nuplan={} if result.error else _nuplan(result, obstacles),
        pdms=_means([version_1 for version_1, _ in plans]),
        epdms=_means([version_2 for _, version_2 in plans]),
        plans=len(plans),
        commonroad={} if result.error else costs_of(result),
        conditions={} if result.error else dict(conditions_met(result)),
        plan_cpu_s=result.cpu_s.tolist(),
        plan_wall_s=result.wall_s.tolist(),
        error=result.error,
    )


def _nuplan(result: DriveResult, obstacles: ObstacleBoxes) -> Subscores:
    history, road_context = result.history, result.drive.road_context
    states = history.vehicle.at_centre(history.ego)
    trajectories = EgoTrajectories(states[None], history.vehicle, history.scenario.dt)
    expert = expert_progress(history.scenario, road_context, states[0, :4], len(states))
    return _means([closed_loop(trajectories, obstacles, road_context, expert)])


def _means(scores: Sequence[Any]) -> Subscores:
    """Means of each subscore over scores with N = 1; values that are not finite are ignored."""
    if not scores:
        return {}
    names = [name for name, part in scores[0]._asdict().items() if isinstance(part, np.ndarray)]
    columns = {name: np.array([getattr(score, name)[0] for score in scores]) for name in names}
    finite = {name: column[np.isfinite(column)] for name, column in columns.items()}
    return {name: float(column.mean()) for name, column in finite.items() if len(column)}


def _moving(agents: Floats) -> int:
    """Number of agents (A, T, 4) that end farther than MOVING_M from where they first appear."""
    count = 0
    for states in agents:
        positions = states[np.isfinite(states[:, 0]), :2]
        count += bool(len(positions) and np.hypot(*(positions[-1] - positions[0])) > MOVING_M)
    return count
