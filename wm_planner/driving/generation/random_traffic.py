"""Random traffic on random roads: scenarios for training and for held-out evaluation.

Agents follow their paths with the IDM, each at its own speed factor; some change lanes, and some brake hard
without a visible reason. The ego's reference trajectory follows the same models.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.data.folders import fresh_folder
from wm_planner.driving.generation.example import (
    CAR,
    DT,
    PEDESTRIAN,
    TRUCK,
    VAN,
    Agent,
    Example,
    make_example,
)
from wm_planner.driving.generation.random_roads import RandomRoad, TrafficPath, random_road
from wm_planner.driving.geometry.shapes import Rectangle
from wm_planner.driving.scenarios.scenario import Goal
from wm_planner.driving.scenarios.writers.commonroad import write_commonroad
from wm_planner.driving.traffic.car_following import IDM, advance, leader_gaps

Floats = NDArray[np.float64]

STEPS = 151
"""Steps per scenario: 15 s."""

_TRAFFIC_IDM = IDM(acceleration=1.5, braking=2.5, headway=1.2)
_SPAWN_GAP_M, _SPAWN_HEADWAY_S = (
    7.0,
    0.6,
)  # bumper to bumper at the start: a gap plus a headway times the speed
_CHANGE_S = 3.0  # duration of a lane change over 3.5 m
_CHANGE_GAP_M = 9.0  # least centre distance in the target lane, on top of _SPAWN_HEADWAY_S times the speed
_HARD_BRAKING = (-7.0, -3.5)  # m/s^2, range of braking without a visible reason
_KINDS, _SHARES = (("car", CAR), ("car", VAN), ("truck", TRUCK)), (0.75, 0.15, 0.1)
_SPACINGS_S = (1.2, 2.0, 4.0, 12.0)  # mean headways on top of _SPAWN_HEADWAY_S: from dense to nearly empty
_MAX_SPAWN_S = 330.0  # m, arc length up to which a path is populated
_GOAL_M = (40.0, 4.0)  # length and width of the goal region


class DriverSpec(NamedTuple):
    """A driver before the simulation starts.

    Attributes:
        size: length and width, in m.
        path: index of its path.
        s: arc length along the path, in m.
        flow_factor: initial speed as a fraction of the driver's target speed, shared by all traffic on the
            path.
        speed_factor: target speed as a fraction of the allowed speed.
    """

    kind: str
    size: tuple[float, float]
    path: int
    s: float
    flow_factor: float
    speed_factor: float


class Fleet(NamedTuple):
    """State of A drivers on their paths, the ego first, (A,) each.

    Attributes:
        path: indices of their paths.
        s: arc length along the path, in m.
        d: offset to the left of the path, in m.
        v: speed, in m/s.
        speed_factor: target speed as a fraction of the allowed speed.
        length: of the vehicle, in m.
    """

    path: NDArray[np.int64]
    s: Floats
    d: Floats
    v: Floats
    speed_factor: Floats
    length: Floats


class RandomManoeuvres(NamedTuple):
    """Spontaneous manoeuvres of A drivers, (A,) each; a step of STEPS means never.

    Attributes:
        lane_change_step: step at which the driver tries to change lanes.
        brake_step: first step of hard braking.
        release_step: step at which hard braking ends.
        acceleration: acceleration during hard braking, in m/s^2, below 0.
    """

    lane_change_step: NDArray[np.int64]
    brake_step: NDArray[np.int64]
    release_step: NDArray[np.int64]
    acceleration: Floats


def random_traffic(seed: int) -> Example:
    """Generate the scenario of a seed."""
    rng = np.random.default_rng(seed)
    road = random_road(rng)
    drivers = _spawn_drivers(rng, road)
    fleet, manoeuvres = _initial_fleet(drivers, road.paths), _random_manoeuvres(rng, len(drivers))
    states = _simulate(road.paths, fleet, manoeuvres, rng)
    agents = [Agent(each.kind, each.size, driven) for each, driven in zip(drivers, states, strict=True)][1:]
    agents = [agent for agent in agents if np.isfinite(agent.states[:, 0]).any()]
    if road.has_pedestrians and rng.random() < 0.6:
        agents.append(_crossing_pedestrian(rng, road))
    last = int(np.flatnonzero(np.isfinite(states[0, :, 0]))[-1])
    end = states[0, last]
    goal = Goal((last // 2, last), (Rectangle(end[:2], *_GOAL_M, float(end[2])),))
    return make_example(
        f"WmTraffic{seed}",
        f"{road.tags} simulated",
        road.lanes,
        agents,
        states[0, : last + 1],
        goal,
        road.parked,
        road.intersections,
    )


def write_random_traffic(
    folder: Path, seeds: range, progress: Callable[[int], None] = lambda count: None
) -> None:
    """Write the scenarios of `seeds` into a new folder as CommonRoad XML, all of them or none.

    Args:
        progress: called with the number of files written so far.

    Raises:
        DatasetError: if the folder exists already.
    """
    with fresh_folder(folder) as unfinished:
        for count, seed in enumerate(seeds, start=1):
            write_commonroad(random_traffic(seed).scenario, unfinished / f"traffic_{seed:07}.xml")
            progress(count)


def _spawn_drivers(rng: np.random.Generator, road: RandomRoad) -> list[DriverSpec]:
    """The ego, then the traffic of every path, each at a random density."""
    ego_path, ego_s = int(rng.choice(road.ego_paths)), float(rng.uniform(*road.ego_start_s))
    drivers = [DriverSpec("car", CAR, ego_path, ego_s, rng.uniform(0.4, 1.0), rng.uniform(0.8, 1.05))]
    for index, path in enumerate(road.paths):
        drivers += _queue(rng, index, path, ego_s if index == ego_path else None)
    return drivers


def _queue(
    rng: np.random.Generator, index: int, path: TrafficPath, ego_s: float | None
) -> Iterator[DriverSpec]:
    """A queue of drivers on a path, with a gap around the ego at `ego_s` if it is on this path."""
    spacing_s, flow = float(rng.choice(_SPACINGS_S)), float(rng.uniform(0.3, 1.0))
    s, end = float(rng.uniform(-20.0, 30.0)), min(path.course.length - 10.0, _MAX_SPAWN_S)
    while s < end:
        kind, size = _KINDS[int(rng.choice(len(_KINDS), p=_SHARES))]
        min_distance = size[0] / 2 + CAR[0] / 2 + _SPAWN_GAP_M + _SPAWN_HEADWAY_S * path.limit
        if ego_s is None or abs(s - ego_s) >= min_distance:
            yield DriverSpec(kind, size, index, s, flow, rng.uniform(0.6, 1.1))
        s += size[0] + _SPAWN_GAP_M + path.limit * (_SPAWN_HEADWAY_S + rng.exponential(spacing_s))


def _initial_fleet(drivers: Sequence[DriverSpec], paths: Sequence[TrafficPath]) -> Fleet:
    limits = np.array([paths[each.path].limit for each in drivers])
    s = np.array([each.s for each in drivers])
    speed_factor = np.array([each.speed_factor for each in drivers])
    flow_factor = np.array([each.flow_factor for each in drivers])
    path = np.array([each.path for each in drivers], np.int64)
    length = np.array([each.size[0] for each in drivers])
    return Fleet(path, s, np.zeros(len(s)), flow_factor * speed_factor * limits, speed_factor, length)


def _random_manoeuvres(rng: np.random.Generator, count: int) -> RandomManoeuvres:
    """Draw manoeuvres for `count` drivers; the first one, the ego, never brakes without a reason."""
    changes, brakes = rng.random(count) < 0.25, rng.random(count) < 0.2
    brakes[0] = False
    change_step, brake_step = rng.integers(0, STEPS, size=(2, count))
    release_step = brake_step + rng.integers(8, 40, size=count)
    acceleration = rng.uniform(*_HARD_BRAKING, size=count)
    return RandomManoeuvres(
        np.where(changes, change_step, STEPS), np.where(brakes, brake_step, STEPS), release_step, acceleration
    )


def _simulate(
    paths: Sequence[TrafficPath], fleet: Fleet, manoeuvres: RandomManoeuvres, rng: np.random.Generator
) -> Floats:
    """States (A, STEPS, 4) of all drivers; NaN once they have left the road."""
    profiles = [path.speed_profile() for path in paths]
    history = [fleet]
    for step in range(1, STEPS):
        for row in np.flatnonzero(manoeuvres.lane_change_step == step).tolist():
            fleet = _with_lane_change(paths, fleet, row, rng)
        allowed = np.array(
            [np.interp(s, *profiles[path]) for path, s in zip(fleet.path, fleet.s, strict=True)]
        )
        gap, leader_speed = leader_gaps(fleet.path, fleet.s, fleet.v, fleet.length)
        acceleration = _TRAFFIC_IDM.accelerations(fleet.v, gap, leader_speed, fleet.speed_factor * allowed)
        brakes = (manoeuvres.brake_step <= step) & (step < manoeuvres.release_step)
        acceleration = np.where(brakes, np.minimum(acceleration, manoeuvres.acceleration), acceleration)
        s, v = advance(fleet.s, fleet.v, acceleration, DT)
        fleet = fleet._replace(s=s, v=v, d=fleet.d - _lateral_step(fleet.d))
        history.append(fleet)
    return _states(paths, history)


def _lateral_step(d: Floats) -> Floats:
    """Lateral motion back to the path's centre per step, in m."""
    return np.asarray(np.clip(d, -3.5 * DT / _CHANGE_S, 3.5 * DT / _CHANGE_S))


def _with_lane_change(
    paths: Sequence[TrafficPath], fleet: Fleet, row: int, rng: np.random.Generator
) -> Fleet:
    """The fleet after the driver of `row` started a change to an adjacent path, if there is room for it."""
    current: TrafficPath = paths[int(fleet.path[row])]
    distances = [abs(p.offset - current.offset) if p.group == current.group else np.inf for p in paths]
    adjacent = [index for index, distance in enumerate(distances) if 0 < distance < 5.0]
    if not adjacent or fleet.d[row]:
        return fleet
    target = int(rng.choice(adjacent))
    in_target = fleet.path == target
    min_distance = _CHANGE_GAP_M + _SPAWN_HEADWAY_S * fleet.v[row]
    if (np.abs(fleet.s[in_target] - fleet.s[row]) < min_distance).any():
        return fleet
    path, d = fleet.path.copy(), fleet.d.copy()
    path[row], d[row] = target, current.offset - paths[target].offset
    return fleet._replace(path=path, d=d)


def _states(paths: Sequence[TrafficPath], history: Sequence[Fleet]) -> Floats:
    """States (A, T, 4) of a history of T fleets; during a lane change the yaw points along the motion."""
    path, s, d, v = (
        np.stack([getattr(fleet, name) for fleet in history], axis=1) for name in ("path", "s", "d", "v")
    )
    states = np.full((*s.shape, 4), np.nan)
    for index, each in enumerate(paths):
        on_path = (path == index) & (s >= 0) & (s <= each.course.length)
        states[on_path, :3], states[on_path, 3] = each.poses(s[on_path], d[on_path]), v[on_path]
    turn = np.arctan2(-np.sign(d) * 3.5 / _CHANGE_S, np.maximum(v, 1.0)) * (np.abs(d) > 0)
    states[..., 2] += np.where(v > 0, turn, 0.0)
    return states.round(4)


def _crossing_pedestrian(rng: np.random.Generator, road: RandomRoad) -> Agent:
    """A pedestrian crossing the road ahead of the ego at a random time."""
    path, speed = road.paths[road.ego_paths[0]], float(rng.uniform(0.8, 2.0))
    s = float(rng.uniform(road.ego_start_s[1] + 20.0, road.ego_start_s[1] + 120.0))
    side, first_step = float(rng.choice((-1.0, 1.0))), int(rng.integers(0, STEPS // 2))
    walked = np.maximum(np.arange(STEPS) - first_step, 0) * speed * DT - 7.0
    pose = path.poses(np.full(STEPS, s), side * np.minimum(walked, 7.0))
    pose[:, 2] += side * np.pi / 2
    moving = (walked > -7.0) & (walked < 7.0)
    return Agent("pedestrian", PEDESTRIAN, np.column_stack([pose, speed * moving]).round(4))
