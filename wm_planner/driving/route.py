"""The way from a start to a goal: lanes by a search of the lane graph, and a line to drive along them."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.centreline import Centreline
from wm_planner.driving.lanes import Lanes
from wm_planner.driving.polygons import Polygons
from wm_planner.driving.scenario import PlanningProblem, Scenario
from wm_planner.driving.shapes import Points

Floats = NDArray[np.float64]

CHANGE_M = 30.0  # of way that a lane change is worth avoiding
SWAY_M = 80.0  # over which a lane is changed where there is room
LEAD_M = 10.0  # of the lane to drive before it is left
BEYOND_M = 200.0  # after the goal
BEFORE_M = 30.0  # before the first lane
SPACING_M = 2.0  # of the points of a lane change


@dataclass(frozen=True, eq=False)
class Route:
    """Where to drive.

    Attributes:
        lanes: ids, in order; a lane and its neighbour one after the other are a lane change.
        line: along them, from before the start to beyond the goal.
        start_s: arc length of the start on it, in m.
        goal_s: arc length at which the goal begins, in m; the end of the lanes where there is no place to
            reach.
        limits: speed limit at the line's points, (P,), in m/s, infinite where none is known.
    """

    lanes: tuple[int, ...]
    line: Centreline
    start_s: float
    goal_s: float
    limits: Floats

    def limit(self, s: ArrayLike) -> Floats:
        """The speed limit at arc lengths s (...), in m/s."""
        at = np.searchsorted(self.line.s, np.asarray(s, np.float64), side="right") - 1
        return self.limits[np.clip(at, 0, len(self.limits) - 1)]

    @classmethod
    def of(cls, points: Points, limits: Floats, start: Points, goal: Sequence[Points], lanes: tuple[int, ...] = ()) -> Self:
        """The route along points (P, 2); the goal begins where its outlines (P, 2) do."""
        fresh = np.append(True, (np.diff(points, axis=0) != 0).any(axis=1))
        line, kept = Centreline(points[fresh]), limits[fresh]
        end = line.length
        line = line.extended(BEFORE_M, BEYOND_M)
        kept = np.concatenate([kept[:1], kept, kept[-1:]])
        start_s = float(line.project(start).s)
        ahead = np.arange(start_s, line.length, 1.0)
        inside = Polygons(goal).contain(line.poses(ahead)[:, :2]) if goal else np.zeros(len(ahead), np.bool_)
        goal_s = float(ahead[inside.argmax()]) if inside.any() else BEFORE_M + end
        return cls(lanes, line, start_s, max(goal_s, start_s), kept)


def find_route(scenario: Scenario, problem: PlanningProblem, lanes: Lanes | None = None) -> Route:
    """The shortest way along lanes to any of the goals, with few lane changes.

    Where no lane leads there it goes straight on along the lanes; off all lanes, straight to the goal.

    Args:
        lanes: of the scenario's road, where they have been made already.
    """
    lanes = lanes or Lanes(scenario.road)
    start = problem.start.state
    outlines = [outline for goal in problem.goals for outline in scenario.outlines(goal)]
    begin = lanes.under(start[:3])
    if not begin:
        return _straight(start, outlines)
    targets = {lane for goal in problem.goals for lane in goal.lanes if lane in lanes.ids}
    places = [place.outline for goal in problem.goals for place in goal.places]
    if places:
        targets.update(lanes.holding(np.concatenate([*places, [each.mean(axis=0) for each in places]])))
    way = _searched(lanes, begin[0], targets) if targets else (begin[0],)
    way = (*way, *lanes.onward(way[-1], BEYOND_M))
    points, limits = _driven(lanes, way, start[:2])
    return Route.of(points, limits, start[:2], outlines, way)


def _straight(start: Floats, goal: Sequence[Points]) -> Route:
    """From the start to the middle of the first outline of the goal, or ahead where there is none."""
    heading = np.array([np.cos(start[2]), np.sin(start[2])])
    end = goal[0].mean(axis=0) if goal else start[:2] + BEYOND_M * heading
    if np.hypot(*(end - start[:2])) < 1.0:
        end = start[:2] + heading
    return Route.of(np.stack([start[:2], end]), np.full(2, np.inf), start[:2], goal)


def _searched(lanes: Lanes, begin: int, targets: set[int]) -> tuple[int, ...]:
    """The cheapest lanes from `begin` to a target, or `begin` alone where none can be reached (Dijkstra)."""
    came: dict[int, int | None] = {}
    ahead: list[tuple[float, int, int, int | None]] = [(0.0, 0, begin, None)]
    while ahead:
        cost, count, lane, before = heapq.heappop(ahead)
        if lane in came:
            continue
        came[lane] = before
        if lane in targets:
            return tuple(reversed([*_back(came, lane)]))
        for after, more in _next(lanes, lane):
            heapq.heappush(ahead, (cost + more, count + len(ahead) + 1, after, lane))
    return (begin,)


def _next(lanes: Lanes, lane: int) -> Iterator[tuple[int, float]]:
    """Where one can go from a lane, and the way it takes in m."""
    here = lanes.road.lanes[lane]
    for after in here.successors:
        yield after, lanes.centre(lane).length
    for beside in (here.left_neighbour, here.right_neighbour):
        if beside is not None and beside.same_direction and beside.id in lanes.ids:
            yield beside.id, CHANGE_M


def _back(came: dict[int, int | None], lane: int) -> Iterator[int]:
    at: int | None = lane
    while at is not None:
        yield at
        at = came[at]


def _driven(lanes: Lanes, way: Sequence[int], start: Points) -> tuple[Points, Floats]:
    """The points (P, 2) of a line along lanes, swaying to the next where one is changed; limits (P,)."""
    pieces: list[tuple[Points, float]] = []
    entered, begin = 0.0, float(lanes.centre(way[0]).project(start).s) + LEAD_M
    for lane, after in zip(way, (*way[1:], None), strict=True):
        line, limit = lanes.centre(lane), lanes.road.lanes[lane].speed_limit
        if after is None or after in lanes.road.lanes[lane].successors:
            pieces.append((line.points[line.s >= entered], limit))
            entered, begin = 0.0, LEAD_M
            continue
        begin = min(begin, 0.8 * line.length)
        sway, end = _sway(line, lanes.centre(after), begin)
        pieces += [(line.points[(line.s >= entered) & (line.s < begin)], limit), (sway, limit)]
        entered, begin = end + 0.1, end + LEAD_M
    limits = [np.full(len(points), limit) for points, limit in pieces]
    return np.concatenate([points for points, _ in pieces]), np.concatenate(limits)


def _sway(old: Centreline, new: Centreline, begin: float) -> tuple[Points, float]:
    """The points of a lane change that begins at arc length `begin` of the old lane; its end on the new."""
    length = min(SWAY_M, old.length - begin)
    share = np.linspace(0.0, 1.0, max(round(length / SPACING_M), 2) + 1)
    weight = (share**3 * (10 - 15 * share + 6 * share**2))[:, None]
    here = old.poses(begin + share * length)[:, :2]
    across = new.project(here)
    there = new.poses(across.s)[:, :2]
    return (1 - weight) * here + weight * there, float(across.s[-1])
