"""A way through a road: lanes from a start to a goal, the line along their centres, their speed limits."""

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.angles import wrap_to_pi
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.state_columns import YAW
from wm_planner.driving.map.lanes import NO_LANE, Lanes
from wm_planner.driving.scenarios.scenario import (
    Goal,
    PlanningProblem,
    Scenario,
    Start,
)
from wm_planner.errors import ScenarioError

Floats = NDArray[np.float64]

_CHANGE_M = 30.0  # what a lane change costs, as a detour
_HURRY_M2 = 500.0  # over the lane's length: a change on a short lane costs more
_TURN_M = 100.0  # a rad of heading off a start lane
_ONWARD_M = 100.0  # of lanes behind the goal's
_SPACING_M = 1.0  # of points where lanes are changed
_STANDSTILL_M = 1.0  # who drives less gives no line


@dataclass(frozen=True, eq=False)
class Route:
    """A way through a road.

    Attributes:
        lanes: indices in Lanes, in the order of travel; empty where the road has no lanes there.
        corridor: those, and the lanes beside them that lead the same way.
        centreline: along the lanes' centres, from one to the next where lanes are changed.
        ends: arc length of the line at the end of each lane, (L,), in m.
        limits: their speed limits, (L,), in m/s, infinite where none is known.
    """

    lanes: tuple[int, ...]
    corridor: frozenset[int]
    centreline: Centreline
    lane_ends: Floats
    speed_limits: Floats

    def speed_limit(self, s: ArrayLike) -> Floats:
        """At arc lengths (...) of the line, in m/s."""
        if not len(self.lane_ends):
            return np.full(np.shape(s), np.inf)
        return self.speed_limits[np.minimum(np.searchsorted(self.lane_ends, s), len(self.lane_ends) - 1)]


def route_to_goal(scenario: Scenario, problem: PlanningProblem, lanes: Lanes) -> Route:
    """The shortest way from a problem's start to any of its goals, few lane changes, and 100 m onward.

    A goal that names no place is looked for straight ahead.

    Raises:
        ScenarioError: if start or goal lie off the lanes, or no lanes lead from one to the other.
    """
    start = problem.start
    starts = _starts(lanes, start)
    if not starts:
        raise ScenarioError(f"{scenario.id}: problem {problem.id} starts off all lanes, so there is no route")
    goals = {index for goal in problem.goals for index in _goal_lanes(scenario, goal, lanes)}
    found = _search(lanes, starts, goals) if goals else [min(starts, key=lambda lane: starts[lane])]
    if not found:
        raise ScenarioError(
            f"{scenario.id}: no lanes lead from those of problem {problem.id}'s start "
            f"({_named(lanes, starts)}) to those of its goal ({_named(lanes, goals)})"
        )
    begin = lanes.centreline(found[0]).project([start.x, start.y]).s / lanes.lengths[found[0]]
    return _along(lanes, extended_ahead(lanes, found), float(begin))


def driven_route(lanes: Lanes | None, states: Floats) -> Route:
    """The way of a drive (T, 4), x, y, yaw, v: the lanes it followed, or without any its own line."""
    followed = lanes.match(states[:, :2]).tolist() if lanes else []
    found = [lane for lane, _ in groupby(lane for lane in followed if lane != NO_LANE)]
    if not lanes or not found:
        return Route((), frozenset(), _own_line(states), np.zeros(0), np.zeros(0))
    return _along(lanes, extended_ahead(lanes, found))


def route_along(lanes: Lanes, points: Floats) -> Route:
    """The way along a line (P, 2) that somebody else chose, and the lanes under it."""
    line = Centreline(points)
    s = np.arange(0.0, line.length, _SPACING_M)
    followed = lanes.match(line.poses(s)[:, :2]).tolist()
    runs = [(lane, max(run)[0]) for lane, run in _runs(followed, s.tolist()) if lane != NO_LANE]
    way, ends = [lane for lane, _ in runs], np.array([end for _, end in runs])
    return Route(tuple(way), _corridor(lanes, way), line, ends, lanes.speed_limits[way])


def _runs(followed: Sequence[int], s: Sequence[float]) -> Iterator[tuple[int, list[tuple[float, int]]]]:
    """Lanes, and the arc lengths at which they are followed without a break."""
    for lane, run in groupby(zip(s, followed, strict=True), key=lambda pair: pair[1]):
        yield lane, list(run)


def _corridor(lanes: Lanes, way: Sequence[int]) -> frozenset[int]:
    """Lanes, and all beside them that lead the same way."""
    return frozenset(lane for index in way for lane in _all_beside(lanes, index))


def _starts(lanes: Lanes, start: Start) -> Mapping[int, float]:
    """Lanes under the start, and what their direction costs."""
    held = lanes.containing([start.x, start.y])
    costs = {}
    for index in held[held >= 0].tolist():
        along = lanes.centreline(index).project([start.x, start.y]).yaw
        costs[index] = _TURN_M * abs(float(wrap_to_pi(along - start.yaw)))
    return costs


def _goal_lanes(scenario: Scenario, goal: Goal, lanes: Lanes) -> set[int]:
    """Lanes that a goal names, or that lie under the middle of its places."""
    found = set(lanes.indices(goal.lanes))
    for place in goal.shapes:
        held = lanes.containing(np.concatenate([place.outline.mean(axis=0)[None], place.outline]))
        found |= set(held[0][held[0] >= 0].tolist()) or set(held[held >= 0].tolist())
    return found


def _search(lanes: Lanes, starts: Mapping[int, float], goals: Collection[int]) -> list[int]:
    """The cheapest sequence of lanes, empty if there is none. Source: Dijkstra 1959."""
    cost, came = dict(starts), dict.fromkeys(starts, NO_LANE)
    queue = [(value, index) for index, value in starts.items()]
    heapq.heapify(queue)
    while queue:
        so_far, lane = heapq.heappop(queue)
        if lane in goals:
            return _traced(came, lane)
        if so_far > cost[lane]:
            continue
        for after, extra in _edges(lanes, lane):
            if so_far + extra < cost.get(after, np.inf):
                cost[after], came[after] = so_far + extra, lane
                heapq.heappush(queue, (so_far + extra, after))
    return []


def _edges(lanes: Lanes, lane: int) -> Iterator[tuple[int, float]]:
    """Lanes one can go on to, and what that costs in m."""
    for after in lanes.indices(lanes[lane].successors):
        yield after, float(lanes.lengths[after])
    for beside in _beside(lanes, lane):
        yield beside, _CHANGE_M + _HURRY_M2 / float(lanes.lengths[lane])


def _beside(lanes: Lanes, lane: int) -> list[int]:
    neighbours = (lanes[lane].left_neighbour, lanes[lane].right_neighbour)
    return lanes.indices(beside.id for beside in neighbours if beside and beside.same_direction)


def _traced(came: Mapping[int, int], lane: int) -> list[int]:
    way = [lane]
    while came[way[-1]] != NO_LANE:
        way.append(came[way[-1]])
    return way[::-1]


def extended_ahead(lanes: Lanes, found: Sequence[int], length_m: float = _ONWARD_M) -> list[int]:
    """The lanes by index, and the straightest that follow them, until those are `length_m` long or end."""
    way, left = list(found), length_m
    while left > 0 and (after := [a for a in lanes.indices(lanes[way[-1]].successors) if a not in way]):
        heading = _heading(lanes, way[-1], -1)
        way.append(min(after, key=lambda lane: abs(np.angle(_heading(lanes, lane, -1) / heading))))
        left -= float(lanes.lengths[way[-1]])
    return way


def _heading(lanes: Lanes, lane: int, segment: int) -> complex:
    x, y = np.diff(lanes[lane].centre, axis=0)[segment]
    return complex(x, y)


def _along(lanes: Lanes, way: Sequence[int], begin: float = 0.0) -> Route:
    """The route along lanes; the first is changed, if it is, no earlier than at a share `begin` of it."""
    groups: list[list[int]] = [[way[0]]]
    for before, lane in pairwise(way):
        if lane in _beside(lanes, before):
            groups[-1].append(lane)
        else:
            groups.append([lane])
    shares = [begin] + [0.0] * (len(groups) - 1)
    lines = [_line(lanes, group, share) for group, share in zip(groups, shares, strict=True)]
    centreline = Centreline(np.concatenate(lines))
    lengths = [np.hypot(*np.diff(line, axis=0).T).sum() for line in lines]
    joints = [0.0, *(np.hypot(*(after[0] - line[-1])) for line, after in pairwise(lines))]
    limits = [lanes.speed_limits[group].min() for group in groups]
    ends = np.cumsum(np.add(lengths, joints))
    return Route(tuple(way), _corridor(lanes, way), centreline, ends, np.array(limits))


def _line(lanes: Lanes, group: Sequence[int], begin: float) -> Floats:
    """The centre of one lane (P, 2), or a smooth change over lanes that lie beside each other."""
    if len(group) == 1:
        return lanes[group[0]].centre
    count = 2 + int(lanes.lengths[list(group)].max() / _SPACING_M)
    share = np.linspace(0.0, 1.0, count)
    centres = np.stack([_resampled(lanes[lane].centre, share) for lane in group])  # (G, P, 2)
    u = np.clip((share - begin) / max(1.0 - begin, 1e-6), 0.0, 1.0)
    at = (len(group) - 1) * u * u * (3 - 2 * u)
    lower = np.minimum(at.astype(np.int64), len(group) - 2)
    part, column = (at - lower)[:, None], np.arange(count)
    return np.asarray((1 - part) * centres[lower, column] + part * centres[lower + 1, column])


def _resampled(points: Floats, share: Floats) -> Floats:
    """Points (P, 2) of a line at shares (P,) of its length."""
    line = Centreline(points)
    return np.stack([np.interp(share * line.length, line.s, axis) for axis in line.points.T], axis=-1)


def _all_beside(lanes: Lanes, lane: int) -> set[int]:
    """The lane, and all beside it and each other that lead the same way."""
    found, fresh = {lane}, [lane]
    while fresh:
        more = [beside for beside in _beside(lanes, fresh.pop()) if beside not in found]
        found.update(more)
        fresh += more
    return found


def _own_line(states: Floats) -> Centreline:
    """The line of a drive, and straight on from its end."""
    moved = np.hypot(*np.diff(states[:, :2], axis=0).T).sum()
    if moved < _STANDSTILL_M:
        ahead = np.array([np.cos(states[0, YAW]), np.sin(states[0, YAW])])
        return Centreline([states[0, :2], states[0, :2] + _ONWARD_M * ahead])
    return Centreline(_spaced(states[:, :2])).extended(after_m=_ONWARD_M)


def _spaced(points: Floats) -> Floats:
    """Points _SPACING_M or more from the one kept before: the noise of a standstill has no heading."""
    kept = [points[0]]
    for point in points[1:]:
        if np.hypot(*(point - kept[-1])) >= _SPACING_M:
            kept.append(point)
    return np.array(kept if len(kept) > 1 else [points[0], points[-1]])


def _named(lanes: Lanes, indices: Collection[int]) -> str:
    return ", ".join(str(lanes.ids[index]) for index in sorted(indices))
