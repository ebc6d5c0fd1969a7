"""Traffic drawn at random on a road drawn at random: scenarios to learn from, and to be examined in.

Agents follow their ways behind each other as the IDM tells, each at a pace of its own; some change lanes, and
some brake hard for no reason that one could see. The ego's answer is to drive as they do.
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
    TRUCK,
    VAN,
    WALKER,
    Agent,
    Example,
    example,
)
from wm_planner.driving.generation.random_roads import RandomRoad, Way, random_road
from wm_planner.driving.geometry.shapes import Rectangle
from wm_planner.driving.scenarios.scenario import Goal
from wm_planner.driving.scenarios.writers.commonroad import write_commonroad
from wm_planner.driving.traffic.car_following import IDM, advance, leader_gaps

Floats = NDArray[np.float64]

STEPS = 151
"""Of a scenario: 15 s."""

_LIVELY = IDM(acceleration=1.5, braking=2.5, headway=1.2)
_APART_M, _APART_S = 7.0, 0.6  # between bumpers at the start, and times the speed
_CHANGE_S = 3.0  # of a lane change
_CHANGE_GAP_M = 9.0  # to those in the other lane, centre to centre, and as much as _APART_S asks for
_HARD = (-7.0, -3.5)  # m/s^2, of who brakes for no reason
_KINDS, _SHARES = (("car", CAR), ("car", VAN), ("truck", TRUCK)), (0.75, 0.15, 0.1)
_SPACINGS_S = (1.2, 2.0, 4.0, 12.0)  # between drivers, the mean beyond _APART_S: dense to nearly empty
_FILLED_M = 330.0  # of a way
_GOAL_M = (40.0, 4.0)  # size of the goal


class Driver(NamedTuple):
    """Somebody before the start.

    Attributes:
        size: length and width, in m.
        way: its number.
        s: along it, in m.
        flow: share of its pace at which the way's traffic moves at first.
        pace: speed that is liked, as a share of what one may drive.
    """

    kind: str
    size: tuple[float, float]
    way: int
    s: float
    flow: float
    pace: float


class Fleet(NamedTuple):
    """A drivers on their ways, the ego first, (A,) each.

    Attributes:
        way: numbers of their ways.
        s: along them, in m; d: beside them, to the left, in m.
        v: in m/s; pace: speed they like, as a share of what one may drive.
        length: in m.
    """

    way: NDArray[np.int64]
    s: Floats
    d: Floats
    v: Floats
    pace: Floats
    length: Floats


class Whims(NamedTuple):
    """What drivers do of their own accord, (A,) each: steps at which they act, STEPS for never.

    Attributes:
        change: to another lane.
        brake: with `pull` m/s^2 until `go`.
    """

    change: NDArray[np.int64]
    brake: NDArray[np.int64]
    go: NDArray[np.int64]
    pull: Floats


def random_traffic(seed: int) -> Example:
    """The scenario of a seed."""
    rng = np.random.default_rng(seed)
    road = random_road(rng)
    drivers = _drivers(rng, road)
    states = _driven(road.ways, _fleet(drivers, road.ways), _whims(rng, len(drivers)), rng)
    agents = [Agent(each.kind, each.size, driven) for each, driven in zip(drivers, states, strict=True)][1:]
    agents = [agent for agent in agents if np.isfinite(agent.states[:, 0]).any()]
    if road.crossed and rng.random() < 0.6:
        agents.append(_walker(rng, road, states[0]))
    last = int(np.flatnonzero(np.isfinite(states[0, :, 0]))[-1])
    end = states[0, last]
    goal = Goal((last // 2, last), (Rectangle(end[:2], *_GOAL_M, float(end[2])),))
    tags = f"{road.tags} simulated"
    return example(
        f"WmTraffic{seed}",
        tags,
        road.lanes,
        agents,
        states[0, : last + 1],
        goal,
        road.parked,
        road.intersections,
    )


def write_random_traffic(out: Path, seeds: range, done: Callable[[int], None] = lambda count: None) -> None:
    """Write the scenarios of `seeds` into folder `out`, all or none, as CommonRoad XML.

    Raises:
        DatasetError: if the folder exists already.
    """
    with fresh_folder(out) as folder:
        for count, seed in enumerate(seeds, start=1):
            write_commonroad(random_traffic(seed).scenario, folder / f"traffic_{seed:07}.xml")
            done(count)


def _drivers(rng: np.random.Generator, road: RandomRoad) -> list[Driver]:
    """The ego, and whoever else there is: each way is filled as densely as it comes."""
    own, begin = int(rng.choice(road.own)), float(rng.uniform(*road.begin_s))
    drivers = [Driver("car", CAR, own, begin, rng.uniform(0.4, 1.0), rng.uniform(0.8, 1.05))]
    for number, way in enumerate(road.ways):
        drivers += _queue(rng, number, way, begin if number == own else None)
    return drivers


def _queue(rng: np.random.Generator, number: int, way: Way, ego_s: float | None) -> Iterator[Driver]:
    """Drivers one behind the other on a way, with room for the ego where it is theirs."""
    spacing_s, flow = float(rng.choice(_SPACINGS_S)), float(rng.uniform(0.3, 1.0))
    s, end = float(rng.uniform(-20.0, 30.0)), min(way.course.length - 10.0, _FILLED_M)
    while s < end:
        kind, size = _KINDS[int(rng.choice(len(_KINDS), p=_SHARES))]
        apart = size[0] / 2 + CAR[0] / 2 + _APART_M + _APART_S * way.limit
        if ego_s is None or abs(s - ego_s) >= apart:
            yield Driver(kind, size, number, s, flow, rng.uniform(0.6, 1.1))
        s += size[0] + _APART_M + way.limit * (_APART_S + rng.exponential(spacing_s))


def _fleet(drivers: Sequence[Driver], ways: Sequence[Way]) -> Fleet:
    """Where they start."""
    limits = np.array([ways[each.way].limit for each in drivers])
    flow, pace, s = (np.array([getattr(each, name) for each in drivers]) for name in ("flow", "pace", "s"))
    way = np.array([each.way for each in drivers], np.int64)
    length = np.array([each.size[0] for each in drivers])
    return Fleet(way, s, np.zeros(len(s)), flow * pace * limits, pace, length)


def _whims(rng: np.random.Generator, count: int) -> Whims:
    changes, brakes = rng.random(count) < 0.25, rng.random(count) < 0.2
    brakes[0] = False
    change, brake = rng.integers(0, STEPS, size=(2, count))
    go = brake + rng.integers(8, 40, size=count)
    pull = rng.uniform(*_HARD, size=count)
    return Whims(np.where(changes, change, STEPS), np.where(brakes, brake, STEPS), go, pull)


def _driven(ways: Sequence[Way], fleet: Fleet, whims: Whims, rng: np.random.Generator) -> Floats:
    """Everybody's states (A, STEPS, 4); NaN for who has left the road behind."""
    allowed = [way.speeds() for way in ways]
    moments = [fleet]
    for step in range(1, STEPS):
        changers = np.flatnonzero(whims.change == step)
        for row in changers.tolist():
            fleet = _changed(ways, fleet, row, rng)
        may = np.array([np.interp(s, *allowed[way]) for way, s in zip(fleet.way, fleet.s, strict=True)])
        gap, ahead = leader_gaps(fleet.way, fleet.s, fleet.v, fleet.length)
        pull = _LIVELY.accelerations(fleet.v, gap, ahead, fleet.pace * may)
        pull = np.where((whims.brake <= step) & (step < whims.go), np.minimum(pull, whims.pull), pull)
        s, v = advance(fleet.s, fleet.v, pull, DT)
        fleet = fleet._replace(s=s, v=v, d=fleet.d - _aside(fleet.d))
        moments.append(fleet)
    return _states(ways, moments)


def _aside(d: Floats) -> Floats:
    """How far everybody comes back to the middle of their way in a step, in m."""
    return np.asarray(np.clip(d, -3.5 * DT / _CHANGE_S, 3.5 * DT / _CHANGE_S))


def _changed(ways: Sequence[Way], fleet: Fleet, row: int, rng: np.random.Generator) -> Fleet:
    """The fleet, one driver of it on the way to its left or right if there is room."""
    here = ways[fleet.way[row]]
    apart = [abs(way.offset - here.offset) if way.beside == here.beside else np.inf for way in ways]
    beside = [number for number, way in enumerate(apart) if 0 < way < 5.0]
    if not beside or fleet.d[row]:
        return fleet
    number = int(rng.choice(beside))
    there = fleet.way == number
    if (np.abs(fleet.s[there] - fleet.s[row]) < _CHANGE_GAP_M + _APART_S * fleet.v[row]).any():
        return fleet
    way, d = fleet.way.copy(), fleet.d.copy()
    way[row], d[row] = number, here.offset - ways[number].offset
    return fleet._replace(way=way, d=d)


def _states(ways: Sequence[Way], moments: Sequence[Fleet]) -> Floats:
    """States (A, T, 4) of the moments; in a lane change one points to where one goes."""
    way, s, d, v = (
        np.stack([getattr(now, name) for now in moments], axis=1) for name in ("way", "s", "d", "v")
    )
    states = np.full((*s.shape, 4), np.nan)
    for number, each in enumerate(ways):
        on = (way == number) & (s >= 0) & (s <= each.course.length)
        states[on, :3], states[on, 3] = each.poses(s[on], d[on]), v[on]
    turn = np.arctan2(-np.sign(d) * 3.5 / _CHANGE_S, np.maximum(v, 1.0)) * (np.abs(d) > 0)
    states[..., 2] += np.where(v > 0, turn, 0.0)
    return states.round(4)


def _walker(rng: np.random.Generator, road: RandomRoad, ego: Floats) -> Agent:
    """Somebody who walks across the road ahead of the ego, sooner or later."""
    way, speed = road.ways[road.own[0]], float(rng.uniform(0.8, 2.0))
    s = float(rng.uniform(road.begin_s[1] + 20.0, road.begin_s[1] + 120.0))
    side, begins = float(rng.choice((-1.0, 1.0))), int(rng.integers(0, STEPS // 2))
    walked = np.maximum(np.arange(STEPS) - begins, 0) * speed * DT - 7.0
    pose = way.poses(np.full(STEPS, s), side * np.minimum(walked, 7.0))
    pose[:, 2] += side * np.pi / 2
    moving = (walked > -7.0) & (walked < 7.0)
    return Agent("pedestrian", WALKER, np.column_stack([pose, speed * moving]).round(4))
