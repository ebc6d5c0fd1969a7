"""Routes through a road: lanes from a start to a goal, with their centre line and speed limits."""

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

_LANE_CHANGE_COST_M = 30.0  # cost of a lane change, as a detour
_SHORT_LANE_COST_M2 = 500.0  # divided by the lane's length: lane changes on short lanes cost more
_HEADING_COST_M = 100.0  # per rad between the start's heading and a start lane
_EXTENSION_M = 100.0  # of lanes beyond the goal
_SPACING_M = 1.0  # of points along lane changes
_MIN_TRAVEL_M = 1.0  # shorter drives do not define a line


@dataclass(frozen=True, eq=False)
class Route:
    """A route through a road.

    Attributes:
        lanes: indices in Lanes, in the order of travel; empty off the lanes.
        corridor: these lanes and all lanes parallel to them in the same direction.
        centreline: through the centres of the lanes, smooth across lane changes.
        lane_ends: arc length at the end of each lane, (L,), in m.
        speed_limits: of the lanes, (L,), in m/s, infinite where none is known.
    """

    lanes: tuple[int, ...]
    corridor: frozenset[int]
    centreline: Centreline
    lane_ends: Floats
    speed_limits: Floats

    def speed_limit(self, s: ArrayLike) -> Floats:
        """Speed limits at arc lengths (...), in m/s."""
        if not len(self.lane_ends):
            return np.full(np.shape(s), np.inf)
        return self.speed_limits[np.minimum(np.searchsorted(self.lane_ends, s), len(self.lane_ends) - 1)]


def route_to_goal(scenario: Scenario, problem: PlanningProblem, lanes: Lanes) -> Route:
    """The shortest route from a problem's start to any of its goals, with few lane changes, plus 100 m.

    A goal without a position is assumed to lie straight ahead.

    Raises:
        ScenarioError: if the start or the goal is off the lanes, or no lanes connect them.
    """
    start = problem.start
    starts = _start_lanes(lanes, start)
    if not starts:
        raise ScenarioError(f"{scenario.id}: problem {problem.id} starts off all lanes, so there is no route")
    goals = {index for goal in problem.goals for index in _goal_lanes(scenario, goal, lanes)}
    sequence = _cheapest_sequence(lanes, starts, goals) if goals else [min(starts, key=lambda i: starts[i])]
    if not sequence:
        raise ScenarioError(
            f"{scenario.id}: no lanes lead from those of problem {problem.id}'s start "
            f"({_lane_ids(lanes, starts)}) to those of its goal ({_lane_ids(lanes, goals)})"
        )
    start_s = lanes.centreline(sequence[0]).project([start.x, start.y]).s
    start_fraction = float(start_s / lanes.lengths[sequence[0]])
    return _route_through(lanes, extended_ahead(lanes, sequence), start_fraction)


def driven_route(lanes: Lanes | None, states: Floats) -> Route:
    """The route of a trajectory (T, 4), x, y, yaw, v: the lanes it follows, or its own line off the lanes."""
    followed = lanes.match(states[:, :2]).tolist() if lanes else []
    sequence = [lane for lane, _ in groupby(lane for lane in followed if lane != NO_LANE)]
    if not lanes or not sequence:
        return Route((), frozenset(), _driven_line(states), np.zeros(0), np.zeros(0))
    return _route_through(lanes, extended_ahead(lanes, sequence))


def route_along(lanes: Lanes, points: Floats) -> Route:
    """The route along a given line (P, 2), with the lanes under it."""
    line = Centreline(points)
    s = np.arange(0.0, line.length, _SPACING_M)
    followed = lanes.match(line.poses(s)[:, :2]).tolist()
    ends = [
        (lane, max(run)[0])
        for lane, run in groupby(zip(s.tolist(), followed, strict=True), key=lambda pair: pair[1])
        if lane != NO_LANE
    ]
    sequence, lane_ends = [lane for lane, _ in ends], np.array([end for _, end in ends])
    corridor = _corridor(lanes, sequence)
    return Route(tuple(sequence), corridor, line, lane_ends, lanes.speed_limits[sequence])


def extended_ahead(lanes: Lanes, sequence: Sequence[int], length_m: float = _EXTENSION_M) -> list[int]:
    """A lane sequence, by index, extended by the straightest successors by `length_m` or to the map's end."""
    extended, remaining = list(sequence), length_m
    while remaining > 0:
        successors = [i for i in lanes.indices(lanes[extended[-1]].successors) if i not in extended]
        if not successors:
            break
        heading = _end_heading(lanes, extended[-1])
        turns = {index: abs(np.angle(_end_heading(lanes, index) / heading)) for index in successors}
        extended.append(min(successors, key=lambda index: turns[index]))
        remaining -= float(lanes.lengths[extended[-1]])
    return extended


def _corridor(lanes: Lanes, sequence: Sequence[int]) -> frozenset[int]:
    """The lanes and all lanes parallel to them in the same direction."""
    return frozenset(parallel for lane in sequence for parallel in _parallel_lanes(lanes, lane))


def _start_lanes(lanes: Lanes, start: Start) -> Mapping[int, float]:
    """Lanes under the start, with the cost of their heading error."""
    containing = lanes.containing([start.x, start.y])
    costs = {}
    for index in containing[containing >= 0].tolist():
        yaw = lanes.centreline(index).project([start.x, start.y]).yaw
        costs[index] = _HEADING_COST_M * abs(float(wrap_to_pi(yaw - start.yaw)))
    return costs


def _goal_lanes(scenario: Scenario, goal: Goal, lanes: Lanes) -> set[int]:
    """Lanes that a goal names, or that lie under the centre, or else the outline, of its shapes."""
    found = set(lanes.indices(goal.lanes))
    for shape in goal.shapes:
        containing = lanes.containing(np.concatenate([shape.outline.mean(axis=0)[None], shape.outline]))
        at_centre = set(containing[0][containing[0] >= 0].tolist())
        found |= at_centre or set(containing[containing >= 0].tolist())
    return found


def _cheapest_sequence(lanes: Lanes, starts: Mapping[int, float], goals: Collection[int]) -> list[int]:
    """The cheapest sequence of lanes from a start to a goal, empty if none exists. Source: Dijkstra 1959."""
    cost, previous = dict(starts), dict.fromkeys(starts, NO_LANE)
    queue = [(value, index) for index, value in starts.items()]
    heapq.heapify(queue)
    while queue:
        so_far, lane = heapq.heappop(queue)
        if lane in goals:
            return _trace_back(previous, lane)
        if so_far > cost[lane]:
            continue
        for following, extra in _transitions(lanes, lane):
            if so_far + extra < cost.get(following, np.inf):
                cost[following], previous[following] = so_far + extra, lane
                heapq.heappush(queue, (so_far + extra, following))
    return []


def _transitions(lanes: Lanes, lane: int) -> Iterator[tuple[int, float]]:
    """Lanes reachable from a lane, with the cost of the transition in m."""
    for successor in lanes.indices(lanes[lane].successors):
        yield successor, float(lanes.lengths[successor])
    for neighbour in lanes.neighbours(lane):
        yield neighbour, _LANE_CHANGE_COST_M + _SHORT_LANE_COST_M2 / float(lanes.lengths[lane])


def _trace_back(previous: Mapping[int, int], lane: int) -> list[int]:
    sequence = [lane]
    while previous[sequence[-1]] != NO_LANE:
        sequence.append(previous[sequence[-1]])
    return sequence[::-1]


def _end_heading(lanes: Lanes, lane: int) -> complex:
    x, y = np.diff(lanes[lane].centre, axis=0)[-1]
    return complex(x, y)


def _route_through(lanes: Lanes, sequence: Sequence[int], start_fraction: float = 0.0) -> Route:
    """The route through a lane sequence; a lane change on the first lane starts at this fraction of it."""
    groups: list[list[int]] = [[sequence[0]]]  # lanes of one group are connected by lane changes
    for before, lane in pairwise(sequence):
        if lane in lanes.neighbours(before):
            groups[-1].append(lane)
        else:
            groups.append([lane])
    fractions = [start_fraction] + [0.0] * (len(groups) - 1)
    lines = [_group_centreline(lanes, group, f) for group, f in zip(groups, fractions, strict=True)]
    centreline = Centreline(np.concatenate(lines))
    lengths = [np.hypot(*np.diff(line, axis=0).T).sum() for line in lines]
    joints = [0.0, *(np.hypot(*(after[0] - line[-1])) for line, after in pairwise(lines))]
    limits = [lanes.speed_limits[group].min() for group in groups]
    lane_ends = np.cumsum(np.add(lengths, joints))
    return Route(tuple(sequence), _corridor(lanes, sequence), centreline, lane_ends, np.array(limits))


def _group_centreline(lanes: Lanes, group: Sequence[int], start_fraction: float) -> Floats:
    """The centre line (P, 2) of one lane, or of a smooth lane change across adjacent lanes."""
    if len(group) == 1:
        return lanes[group[0]].centre
    count = 2 + int(lanes.lengths[list(group)].max() / _SPACING_M)
    fraction = np.linspace(0.0, 1.0, count)
    centres = np.stack([_at_fractions(lanes[lane].centre, fraction) for lane in group])  # (G, P, 2)
    u = np.clip((fraction - start_fraction) / max(1.0 - start_fraction, 1e-6), 0.0, 1.0)
    at = (len(group) - 1) * u * u * (3 - 2 * u)
    lower = np.minimum(at.astype(np.int64), len(group) - 2)
    weight, column = (at - lower)[:, None], np.arange(count)
    return np.asarray((1 - weight) * centres[lower, column] + weight * centres[lower + 1, column])


def _at_fractions(points: Floats, fraction: Floats) -> Floats:
    """Points (P, 2) of a polyline at fractions (P,) of its length."""
    line = Centreline(points)
    return np.stack([np.interp(fraction * line.length, line.s, axis) for axis in line.points.T], axis=-1)


def _parallel_lanes(lanes: Lanes, lane: int) -> set[int]:
    """The lane and all lanes parallel to it in the same direction."""
    found, unvisited = {lane}, [lane]
    while unvisited:
        new = [neighbour for neighbour in lanes.neighbours(unvisited.pop()) if neighbour not in found]
        found.update(new)
        unvisited += new
    return found


def _driven_line(states: Floats) -> Centreline:
    """The line of a trajectory, extended straight on from its end."""
    moved = np.hypot(*np.diff(states[:, :2], axis=0).T).sum()
    if moved < _MIN_TRAVEL_M:
        ahead = np.array([np.cos(states[0, YAW]), np.sin(states[0, YAW])])
        return Centreline([states[0, :2], states[0, :2] + _EXTENSION_M * ahead])
    return Centreline(_thinned(states[:, :2])).extended(after_m=_EXTENSION_M)


def _thinned(points: Floats) -> Floats:
    """Points at least _SPACING_M apart: the noise of a standstill has no meaningful heading."""
    kept = [points[0]]
    for point in points[1:]:
        if np.hypot(*(point - kept[-1])) >= _SPACING_M:
            kept.append(point)
    return np.array(kept if len(kept) > 1 else [points[0], points[-1]])


def _lane_ids(lanes: Lanes, indices: Collection[int]) -> str:
    return ", ".join(str(lanes.ids[index]) for index in sorted(indices))
