"""Whether surprise tells that something happened which nobody could expect: pairs of the same moment.

In one of a pair all goes on as it was recorded; in the other an agent appears ahead of the ego, or whoever is
ahead brakes as hard as it can. Both are imagined from the same picture and action.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import nanoseconds
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.world_model import WorldModel
from wm_planner.driving.birdseye.scenario_camera import ScenarioCamera
from wm_planner.driving.birdseye.traffic_model_io import (
    IMAGE,
    STEP_S,
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

_EVERY_STEPS = 12  # between moments: three steps of the model
_CAR = (4.5, 1.8)
_AHEAD_M = (10.0, 30.0)  # where somebody appears, from the ego's middle
_HARDEST = 8.0  # m/s^2
_MOVES = 4.0  # m/s, of a leader that can brake
_LEADS_M, _BESIDE_M = 35.0, 1.5  # who counts as the leader: so far along and beside the route


class PairOfMoments(NamedTuple):
    """The surprise of the same step as it was recorded, and with an event in it."""

    event: str
    usual: float
    unusual: float


class Discrimination(NamedTuple):
    """How well surprise tells one from the other.

    Attributes:
        auc: the chance that an unusual moment surprises more than a usual one, any two of all pairs.
        paired: the share of pairs in which it does so.
        ratio: of the medians, unusual to usual.
    """

    pairs: int
    auc: float
    paired: float
    ratio: float

    @classmethod
    def of(cls, pairs: Sequence[PairOfMoments]) -> "Discrimination":
        """Source: the AUC as Mann & Whitney 1947 count it; ties count half."""
        usual, unusual = (np.array([getattr(pair, name) for pair in pairs]) for name in ("usual", "unusual"))
        above = (unusual[:, None] > usual).mean() + 0.5 * (unusual[:, None] == usual).mean()
        ratio = float(np.median(unusual) / np.median(usual))
        return cls(len(pairs), float(above), float((unusual > usual).mean()), ratio)


def moments(model: WorldModel, files: Sequence[Path], seed: int = 0) -> Iterator[PairOfMoments]:
    """Pairs along drives by the IDM through scenarios, others replayed."""
    rng = np.random.default_rng(seed)
    for file in files:
        simulator = DrivingSimulator(read_scenario(file), DrivingSimulator.Options(picture=IMAGE))
        yield from _along(model, simulator, rng)


def _along(
    model: WorldModel, simulator: DrivingSimulator, rng: np.random.Generator
) -> Iterator[PairOfMoments]:
    every = steps_per_action(simulator.scenario.dt)
    driver = IDMPlanner(IDMPlanner.Config())
    last = simulator.scenario.tracks.steps - 1 - every
    while simulator.step_index + every <= last:
        before, begin = simulator.observe(), simulator.step_index
        changed = {APPEARS: _with_another(simulator, rng), BRAKES: _with_braking(simulator)}
        for _ in range(every):
            simulator.follow(driver.plan(view_of(simulator)))
        ego = simulator.history.ego[-every - 1 :]
        action = actions_from_states(ego, simulator.vehicle, simulator.scenario.dt)
        usual = _surprise(model, before, simulator.observe(), action)
        for event, scenario in changed.items():
            if scenario is not None:
                after = _seen(simulator, scenario)
                yield PairOfMoments(event, usual, _surprise(model, before, after, action))
        for _ in range(max(_EVERY_STEPS - (simulator.step_index - begin), 0)):
            simulator.follow(driver.plan(view_of(simulator)))


def _surprise(
    model: WorldModel, before: Observation, after: Observation, action: NDArray[np.float32]
) -> float:
    surprise = Surprise(model)
    surprise.expect(0, action, STEP_S)
    surprise.of(model.encode(before), 0)
    return surprise.of(model.encode(after), nanoseconds(STEP_S))


def _seen(simulator: DrivingSimulator, scenario: Scenario) -> Observation:
    """The simulator's present with the agents of another scenario."""
    camera = ScenarioCamera(IMAGE, scenario, simulator.vehicle.size)
    pose, step = simulator.vehicle.at_centre(simulator.now.ego), simulator.step_index
    route = simulator.drive.line.points
    return Observation({CAMERA: camera.render(pose, scenario.tracks.at(step)[0], step, route)})


def _with_another(simulator: DrivingSimulator, rng: np.random.Generator) -> Scenario:
    """The scenario with one more car ahead, as fast as the ego, from the next step on."""
    tracks, begin = simulator.scenario.tracks, simulator.step_index + 1
    line, dt = simulator.drive.line, simulator.scenario.dt
    here, speed = simulator.vehicle.at_centre(simulator.now.ego), float(simulator.now.ego[SPEED])
    s = float(line.project(here[:2]).s) + float(rng.uniform(*_AHEAD_M))
    places = line.poses(s + speed * dt * np.arange(tracks.steps - begin))
    states = np.full((1, tracks.steps, 4), np.nan)
    states[0, begin:, : YAW + 1], states[0, begin:, SPEED] = places, speed
    more = Tracks(
        (*tracks.ids, max(tracks.ids, default=0) + 1),
        (*tracks.kinds, "car"),
        np.concatenate([tracks.sizes, [_CAR]]),
        np.concatenate([tracks.states, states]),
        np.concatenate([tracks.valid, np.isfinite(states[..., 0])]),
    )
    return replace(simulator.scenario, tracks=more)


def _with_braking(simulator: DrivingSimulator) -> Scenario | None:
    """The scenario with the leader braking from now on; None where there is none that moves."""
    tracks, now = simulator.scenario.tracks, simulator.step_index
    row = _leader(simulator)
    if row is None:
        return None
    dt, states = simulator.scenario.dt, tracks.states.copy()
    later = np.arange(states.shape[1] - now) * dt
    speed = np.maximum(states[row, now, SPEED] - _HARDEST * later, 0.0)
    way = np.cumsum(speed) * dt
    recorded = np.cumsum(states[row, now:, SPEED]) * dt
    for column in range(YAW + 1):
        states[row, now:, column] = np.interp(way, recorded, states[row, now:, column])
    states[row, now:, SPEED] = speed
    return replace(simulator.scenario, tracks=replace(tracks, states=states))


def _leader(simulator: DrivingSimulator) -> int | None:
    """The row of who drives ahead on the route for the rest of the recording."""
    tracks, now = simulator.scenario.tracks, simulator.step_index
    rows = [row for row in range(len(tracks.ids)) if tracks.valid[row, now:].all()]
    line = simulator.drive.line
    ego = float(line.project(simulator.vehicle.at_centre(simulator.now.ego)[:2]).s)
    found: dict[int, float] = {}
    for row in rows:
        at = line.project(tracks.states[row, now, :2])
        ahead = float(at.s) - ego
        if 0 < ahead < _LEADS_M and abs(at.d) < _BESIDE_M and tracks.states[row, now, SPEED] > _MOVES:
            found[row] = ahead
    return min(found, key=lambda row: found[row]) if found else None
