"""Whether surprise detects unexpected events, measured on pairs of the same step.

One step of a pair is as recorded; in the other, an agent appears ahead of the ego, or the leader brakes as
hard as it can. Both are predicted from the same image and action.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.observation import Observation
from wm_planner.contracts.world_model import WorldModel
from wm_planner.driving.birdseye.scenario_camera import ScenarioCamera
from wm_planner.driving.birdseye.traffic_model_io import (
    IMAGE,
    actions_from_states,
    steps_per_action,
)
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.planners.idm import IDMPlanner
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import Tracks
from wm_planner.driving.simulation.simulator import CAMERA, DrivingSimulator
from wm_planner.driving.simulation.view import view_of
from wm_planner.world_models.surprise import Surprise

Floats = NDArray[np.float64]

APPEARS, BRAKES = "an agent appears", "the leader brakes"

_INTERVAL_STEPS = 12  # between pairs: three steps of the model
_CAR = (4.5, 1.8)  # m, length and width of the agent that appears
_AHEAD_M = (10.0, 30.0)  # from the ego's centre to the agent that appears
_MAX_BRAKING = 8.0  # m/s^2
_MIN_LEADER_SPEED = 4.0  # m/s, of a leader that brakes
_MAX_GAP_M, _MAX_OFFSET_M = 35.0, 1.5  # of a leader, along the route and lateral to it


class EventPair(NamedTuple):
    """The surprise of a step as recorded and with an event."""

    event: str
    recorded: float
    with_event: float


class Discrimination(NamedTuple):
    """How well surprise separates steps with an event from recorded ones.

    Attributes:
        pairs: number of pairs.
        auc: probability that a random step with an event has a higher surprise than a random recorded one.
        paired: fraction of pairs in which the step with the event has the higher surprise.
        ratio: ratio of the medians, with event to recorded.
    """

    pairs: int
    auc: float
    paired: float
    ratio: float

    @classmethod
    def of(cls, pairs: Sequence[EventPair]) -> "Discrimination":
        """Compute the statistics of pairs. Source: the AUC by Mann & Whitney 1947, ties count half."""
        recorded = np.array([pair.recorded for pair in pairs])
        event = np.array([pair.with_event for pair in pairs])
        auc = (event[:, None] > recorded).mean() + 0.5 * (event[:, None] == recorded).mean()
        ratio = float(np.median(event) / np.median(recorded))
        return cls(len(pairs), float(auc), float((event > recorded).mean()), ratio)


def event_pairs(model: WorldModel, files: Sequence[Path], seed: int = 0) -> Iterator[EventPair]:
    """Pairs along drives of the IDM through scenarios with replayed agents."""
    rng = np.random.default_rng(seed)
    for file in files:
        simulator = DrivingSimulator(read_scenario(file), DrivingSimulator.Options(picture=IMAGE))
        yield from _pairs_along(model, simulator, rng)


def _pairs_along(
    model: WorldModel, simulator: DrivingSimulator, rng: np.random.Generator
) -> Iterator[EventPair]:
    every = steps_per_action(simulator.scenario.dt)
    driver = IDMPlanner(IDMPlanner.Config())
    last = simulator.scenario.tracks.steps - 1 - every
    while simulator.step_index + every <= last:
        before, start = simulator.observe(), simulator.step_index
        changed = {APPEARS: _with_appearing_agent(simulator, rng), BRAKES: _with_braking_leader(simulator)}
        for _ in range(every):
            simulator.follow(driver.plan(view_of(simulator)))
        ego = simulator.history.ego[-every - 1 :]
        action = actions_from_states(ego, simulator.vehicle, simulator.scenario.dt)
        recorded = _surprise(model, before, simulator.observe(), action)
        for event, scenario in changed.items():
            if scenario is not None:
                after = _observe(simulator, scenario)
                yield EventPair(event, recorded, _surprise(model, before, after, action))
        for _ in range(max(_INTERVAL_STEPS - (simulator.step_index - start), 0)):
            simulator.follow(driver.plan(view_of(simulator)))


def _surprise(
    model: WorldModel, before: Observation, after: Observation, action: NDArray[np.float32]
) -> float:
    surprise = Surprise(model)
    surprise.of(model.encode(before), None, {})
    return surprise.of(model.encode(after), action[0], {})


def _observe(simulator: DrivingSimulator, scenario: Scenario) -> Observation:
    """The current observation with the agents of another scenario."""
    camera = ScenarioCamera(IMAGE, scenario, simulator.vehicle.size)
    pose, step = simulator.vehicle.at_centre(simulator.now.ego), simulator.step_index
    route = simulator.drive.line.points
    return Observation({CAMERA: camera.render(pose, scenario.tracks.at(step)[0], step, route)})


def _with_appearing_agent(simulator: DrivingSimulator, rng: np.random.Generator) -> Scenario:
    """The scenario with an additional car ahead at the ego's speed, from the next step on."""
    tracks, first = simulator.scenario.tracks, simulator.step_index + 1
    line, dt = simulator.drive.line, simulator.scenario.dt
    here, speed = simulator.vehicle.at_centre(simulator.now.ego), float(simulator.now.ego[SPEED])
    s = float(line.project(here[:2]).s) + float(rng.uniform(*_AHEAD_M))
    poses = line.poses(s + speed * dt * np.arange(tracks.steps - first))
    states = np.full((1, tracks.steps, 4), np.nan)
    states[0, first:, : YAW + 1], states[0, first:, SPEED] = poses, speed
    extended = Tracks(
        (*tracks.ids, max(tracks.ids, default=0) + 1),
        (*tracks.kinds, "car"),
        np.concatenate([tracks.sizes, [_CAR]]),
        np.concatenate([tracks.states, states]),
        np.concatenate([tracks.valid, np.isfinite(states[..., 0])]),
    )
    return replace(simulator.scenario, tracks=extended)


def _with_braking_leader(simulator: DrivingSimulator) -> Scenario | None:
    """The scenario with the leader braking from now on; None without a moving leader."""
    tracks, now = simulator.scenario.tracks, simulator.step_index
    row = _leader(simulator)
    if row is None:
        return None
    dt, states = simulator.scenario.dt, tracks.states.copy()
    later = np.arange(states.shape[1] - now) * dt
    speed = np.maximum(states[row, now, SPEED] - _MAX_BRAKING * later, 0.0)
    distance = np.cumsum(speed) * dt
    recorded = np.cumsum(states[row, now:, SPEED]) * dt
    for column in range(YAW + 1):
        states[row, now:, column] = np.interp(distance, recorded, states[row, now:, column])
    states[row, now:, SPEED] = speed
    return replace(simulator.scenario, tracks=replace(tracks, states=states))


def _leader(simulator: DrivingSimulator) -> int | None:
    """Row of the agent that leads on the route until the end of the recording; None without one."""
    tracks, now = simulator.scenario.tracks, simulator.step_index
    rows = [row for row in range(len(tracks.ids)) if tracks.valid[row, now:].all()]
    line = simulator.drive.line
    ego = float(line.project(simulator.vehicle.at_centre(simulator.now.ego)[:2]).s)
    gaps: dict[int, float] = {}
    for row in rows:
        at = line.project(tracks.states[row, now, :2])
        ahead = float(at.s) - ego
        if (
            0 < ahead < _MAX_GAP_M
            and abs(at.d) < _MAX_OFFSET_M
            and tracks.states[row, now, SPEED] > _MIN_LEADER_SPEED
        ):
            gaps[row] = ahead
    return min(gaps, key=lambda row: gaps[row]) if gaps else None
