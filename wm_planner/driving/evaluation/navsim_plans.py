"""NAVSIM's scores of the plans of a drive, each from the state at which it was made.

NAVSIM scores one plan of 4 s from a recorded state. Here the plans of a drive are scored every 0.5 s, each
with the one before it as the previous plan, among the obstacles of this drive. Beyond the end of the drive
the obstacles move at constant velocity.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.evaluation.closed_loop import DriveResult
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.expert import ExpertProgress, expert_progress, progress
from wm_planner.driving.metrics.navsim import EPDMS, PDMS, PreviousPlan, epdms, pdms
from wm_planner.driving.metrics.pdm import TTC_STEPS
from wm_planner.driving.scenarios.forecasts import constant_velocity
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.vehicle.tracker import Tracker

Floats = NDArray[np.float64]

DT = 0.1
"""Time step for which NAVSIM's scores are defined, in s."""
PLAN_STEPS = 40
SCORE_EVERY = 5
HISTORY_STEPS = 15
"""Steps of a plan, between two scored plans, and of the ego's history before a plan."""


def scored_plans(result: DriveResult, obstacles: ObstacleBoxes) -> Iterator[tuple[PDMS, EPDMS]]:
    """The scores (N = 1) of every SCORE_EVERY-th plan; none for other time steps or shorter plans.

    Args:
        obstacles: over the T steps of the drive.
    """
    history, road_context = result.history, result.drive.road_context
    scenario, vehicle = history.scenario, history.vehicle
    if not np.isclose(scenario.dt, DT) or any(len(plan) <= PLAN_STEPS for plan in result.plans):
        return
    extended = extended_at_constant_velocity(obstacles, DT, PLAN_STEPS + int(TTC_STEPS.max()))
    ego, previous = vehicle.at_centre(history.ego), None
    scored = range(0, len(result.plans), SCORE_EVERY)
    for step, states in zip(scored, tracked_plans(result, scored), strict=True):
        trajectories = EgoTrajectories(states, vehicle, DT)
        window = extended.window(step, PLAN_STEPS + 1 + int(TTC_STEPS.max()))
        human = _human(result, step)
        expert = _expert(result, human, ego[step, :4])
        past = ego[max(step - HISTORY_STEPS, 0) : step] if step else None
        first_step = history.first_step + step
        version_2 = epdms(trajectories, window, road_context, expert, first_step, past, previous, human)
        yield pdms(trajectories, window, road_context, expert), version_2
        previous = PreviousPlan(states, SCORE_EVERY)


def tracked_plans(result: DriveResult, steps: Sequence[int]) -> Iterator[Floats]:
    """Box centre states that tracking the plans of some steps leads to, (1, PLAN_STEPS + 1, 6) each."""
    history, plans = result.history, result.plans
    if not steps:
        return
    starts, poses = history.ego[steps], np.stack([plans[step][: PLAN_STEPS + 1] for step in steps])
    tracked = Tracker(Tracker.Config(), history.vehicle, DT).track(starts, poses)
    yield from history.vehicle.at_centre(np.concatenate([starts[:, None], tracked], axis=1))[:, None]


def extended_at_constant_velocity(obstacles: ObstacleBoxes, dt: float, steps: int) -> ObstacleBoxes:
    """Obstacles with more steps, in which all move at their last velocity."""
    later = constant_velocity(obstacles.states[-1], dt, steps)
    return replace(obstacles, states=np.concatenate([obstacles.states, later]))


def _human(result: DriveResult, step: int) -> EgoTrajectories | None:
    """The recorded drive over the same steps, if it is complete."""
    history, ego = result.history, result.history.scenario.ego
    steps = slice(history.first_step + step, history.first_step + step + PLAN_STEPS + 1)
    if ego is None or ego.valid[0, steps].sum() <= PLAN_STEPS:
        return None
    return EgoTrajectories(ego.states[:, steps], history.vehicle, DT)


def _expert(result: DriveResult, human: EgoTrajectories | None, state: Floats) -> ExpertProgress:
    """Progress of the recorded drive over the same steps, or of IDM on an empty road from the same state."""
    scenario, road_context = result.history.scenario, result.drive.road_context
    if human is None:
        return expert_progress(replace(scenario, ego=None), road_context, state, PLAN_STEPS + 1)
    return ExpertProgress(float(progress(human.states, road_context)[0]), "recorded")
