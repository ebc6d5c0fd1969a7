"""NAVSIM's scores of the plans of a drive, each judged from where it was made.

NAVSIM judges one plan of 4 s from a recorded state. Here it is the plans of a drive, 0.5 s apart, each with
the one before it as the earlier plan, among the obstacles as they were in this drive. After the drive's end
these keep their velocity.
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
"""The one step that NAVSIM's scores are defined for, in s."""
STEPS = 40
EVERY = 5
PAST = 15
"""Steps of a plan, between two plans that are judged, and of the drive before them."""


def scored_plans(driven: DriveResult, obstacles: ObstacleBoxes) -> Iterator[tuple[PDMS, EPDMS]]:
    """The scores (N = 1) of every EVERY-th plan; none of scenarios with another step, or of shorter plans.

    Args:
        obstacles: for the T steps of the drive.
    """
    history, road_context = driven.history, driven.drive.road_context
    scenario, vehicle = history.scenario, history.vehicle
    if not np.isclose(scenario.dt, DT) or any(len(plan) <= STEPS for plan in driven.plans):
        return
    beyond = extended_at_constant_velocity(obstacles, DT, STEPS + int(TTC_STEPS.max()))
    past, earlier = vehicle.at_centre(history.ego), None
    judged = range(0, len(driven.plans), EVERY)
    for step, states in zip(judged, driven_plans(driven, judged), strict=True):
        trajectories = EgoTrajectories(states, vehicle, DT)
        around = _from(beyond, step, STEPS + 1 + int(TTC_STEPS.max()))
        human = _human(driven, step)
        wanted = _wanted(driven, human, past[step, :4])
        before = past[max(step - PAST, 0) : step] if step else None
        extended = epdms(
            trajectories, around, road_context, wanted, history.first_step + step, before, earlier, human
        )
        yield pdms(trajectories, around, road_context, wanted), extended
        earlier = PreviousPlan(states, EVERY)


def driven_plans(driven: DriveResult, steps: Sequence[int]) -> Iterator[Floats]:
    """The plans of some steps as the tracker drives them: each (1, STEPS + 1, 6), the vehicle's centre."""
    history, plans = driven.history, driven.plans
    if not steps:
        return
    starts, poses = history.ego[steps], np.stack([plans[step][: STEPS + 1] for step in steps])
    tracked = Tracker(Tracker.Config(), history.vehicle, DT).track(starts, poses)
    yield from history.vehicle.at_centre(np.concatenate([starts[:, None], tracked], axis=1))[:, None]


def extended_at_constant_velocity(obstacles: ObstacleBoxes, dt: float, steps: int) -> ObstacleBoxes:
    """The same, and for so many steps more all keep their last velocity."""
    later = constant_velocity(obstacles.states[-1], dt, steps)
    return replace(obstacles, states=np.concatenate([obstacles.states, later]))


def _from(obstacles: ObstacleBoxes, step: int, steps: int) -> ObstacleBoxes:
    return replace(obstacles, states=obstacles.states[step : step + steps])


def _human(driven: DriveResult, step: int) -> EgoTrajectories | None:
    """The recorded drive over the same steps, where there is all of it."""
    history, ego = driven.history, driven.history.scenario.ego
    begin = history.first_step + step
    if ego is None or ego.valid[0, begin : begin + STEPS + 1].sum() <= STEPS:
        return None
    return EgoTrajectories(ego.states[:, begin : begin + STEPS + 1], history.vehicle, DT)


def _wanted(driven: DriveResult, human: EgoTrajectories | None, state: Floats) -> ExpertProgress:
    """The progress of the human over the same steps, or of IDM alone from the same state."""
    scenario, road_context = driven.history.scenario, driven.drive.road_context
    if human is None:
        return expert_progress(replace(scenario, ego=None), road_context, state, STEPS + 1)
    return ExpertProgress(float(progress(human.states, road_context)[0]), "recorded")
