"""Matching of CommonRoad solutions to lanes, and their curvilinear coordinates along the centrelines.

Source: commonroad-drivability-checker 2025.4, its route matcher. Its quirks are kept, so that costs are
equal: a lane counts as driven on within a fraction of the ego's width, and a change of centreline shifts the
arc lengths.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.curvilinear import CurvilinearFrame, smooth_line
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.scenarios.road import Lane, Road
from wm_planner.errors import ScenarioError

Floats = NDArray[np.float64]
Path = tuple[int, ...]

_EXIT_LOOKAHEAD_M = 10.0  # of successors that are searched where a drive leaves its lanes
_ALIGNMENT_RAD = 0.1  # by how much the next centreline may be aligned worse than the current one


class LaneCoordinates(NamedTuple):
    """Curvilinear coordinates of a drive along lane centrelines, (T,) each.

    Attributes:
        s: arc length, continued from one centreline to the next, in m.
        d: lateral offset, positive to the left, in m.
        heading_error: yaw relative to the centreline, in rad.
        frames: the centreline's frame at each step.
    """

    s: Floats
    d: Floats
    heading_error: Floats
    frames: tuple[CurvilinearFrame, ...]


def lane_coordinates(
    road: Road, points: Floats, yaw: Floats, reach_m: float, step_m: float
) -> LaneCoordinates:
    """Coordinates of a drive along the lanes that it follows.

    Args:
        points: positions, (T, 2), in m.
        yaw: (T,), in rad.
        reach_m: distance within which a lane counts as driven on.
        step_m: the largest distance per step.

    Raises:
        ScenarioError: if the drive leaves the lanes.
    """
    route = _Matching(road, points, yaw, reach_m, step_m).route()
    if not route:
        raise ScenarioError("the drive is on no lane, so it has no offset from a centreline")
    lines = [_centreline(run) for run in _runs([road.lanes[lane] for lane in route])]
    frames = [CurvilinearFrame(smooth_line(line, 10.0, 2.5)) for line in lines]
    lengths = [float(frame.project(line[-1:]).s[0]) for frame, line in zip(frames, lines, strict=True)]
    return _coordinates(frames, lengths, points, yaw)


def angle_difference(a: ArrayLike, b: ArrayLike) -> Floats:
    """Angles a - b, from -pi to below pi."""
    return np.asarray(np.fmod(np.subtract(a, b) + 3 * np.pi, 2 * np.pi) - np.pi)


def _runs(lanes: Sequence[Lane]) -> Iterator[list[Lane]]:
    """Runs of lanes in which each is a successor of the one before."""
    run: list[Lane] = []
    for lane in lanes:
        if run and lane.id not in run[-1].successors:
            yield run
            run = []
        run.append(lane)
    yield run


def _centreline(run: Sequence[Lane]) -> Floats:
    """The centreline along a run; points at which lanes meet appear once."""
    line = [run[0].centre]
    for before, lane in pairwise(run):
        joined = np.isclose(before.left[-1], lane.left[0]).all()
        line.append(lane.centre[1:] if joined else lane.centre)
    return np.concatenate(line)


def _coordinates(
    frames: Sequence[CurvilinearFrame], lengths: Sequence[float], points: Floats, yaw: Floats
) -> LaneCoordinates:
    """Project each step into the current frame, and move on to the next frame where that one is closer."""
    projected = [frame.project(points) for frame in frames]
    errors = [angle_difference(yaw, frame.yaw(each.s)) for frame, each in zip(frames, projected, strict=True)]
    current, shift, next_error, reversed_at = 0, 0.0, np.nan, None
    s, d, heading_error = np.empty(len(points)), np.empty(len(points)), np.empty(len(points))
    used = []
    for t in range(len(points)):
        here, offset, error = projected[current].s[t], projected[current].d[t], errors[current][t]
        if current + 1 < len(frames):
            there, next_offset = projected[current + 1].s[t], projected[current + 1].d[t]
            both = np.isfinite(here) and np.isfinite(there)
            next_error = errors[current + 1][t] if both else next_error
            aligned = not both or angle_difference(abs(next_error), abs(error)) < _ALIGNMENT_RAD
            closer = abs(next_offset) < abs(offset) and aligned
            if np.isfinite(there) and (not np.isfinite(here) or closer):
                if reversed_at is None:
                    shift += lengths[current] if not np.isfinite(here) else here - there
                current, here, offset = current + 1, there, next_offset
                error = next_error if np.isfinite(next_error) else errors[current][t]
        if not np.isfinite(here):
            raise ScenarioError(f"the drive leaves its lanes at step {t}, at {points[t].round(2).tolist()}")
        if abs(error) > np.pi / 2 and reversed_at is None:
            reversed_at, shift = here, shift + here
        elif abs(error) <= np.pi / 2:
            reversed_at = None
        s[t] = here + shift if reversed_at is None else shift + reversed_at - here
        d[t], heading_error[t] = offset, error
        used.append(frames[current])
    return LaneCoordinates(s, d, heading_error, tuple(used))


class _Matching:
    """Search for the lanes that one drive follows."""

    def __init__(self, road: Road, points: Floats, yaw: Floats, reach_m: float, step_m: float) -> None:
        self._lanes = road.lanes
        self._points, self._yaw, self._step_m = points, yaw, step_m
        self._near = [set(ids) for ids in _lanes_near(road, points, reach_m)]
        self._frames: dict[int, CurvilinearFrame] = {}
        self._lengths = {
            lane.id: float(np.hypot(*np.diff(lane.centre, axis=0).T).sum()) for lane in road.lanes.values()
        }

    def route(self) -> list[int]:
        """Ids of the lanes in driving order.

        Several paths stay open while it is ambiguous which one the drive follows. A path starts with the lane
        before it, or with -1.
        """
        route: list[int] = []
        open_paths: list[Path] = []
        for step, near in enumerate(self._near):
            if not near:
                continue
            paths = open_paths or ([(route[-1],)] if route else [])
            open_paths = (
                [path for each in paths for path in self._continued(each, near)]
                if paths
                else [(-1, lane) for lane in self._ordered(near)]
            )
            if not open_paths:
                open_paths = [path for each in paths for path in self._leaving(each, step)]
            if not open_paths and paths:
                best = self._best(paths)
                if best is not None:
                    route += best[1:]
                    open_paths = [(-1, lane) for lane in self._ordered(near)]
            if len(open_paths) == 1:
                route += open_paths[0][1:]
                open_paths = []
        if open_paths and (best := self._best(open_paths)):
            route += best[1:]
        return route

    def _ordered(self, lanes: set[int]) -> list[int]:
        return [lane for lane in self._lanes if lane in lanes]

    def _continued(self, path: Path, near: set[int]) -> list[Path]:
        """The path itself while the drive is on it, else its extensions by successors, else by neighbours."""
        if near & set(path):
            return [path]
        last = self._lanes[path[-1]]
        following = []
        for successors in self._ahead(last, self._step_m):
            reached = [index for index, lane in enumerate(successors) if lane in near]
            if reached:
                following.append((*path, *successors[: reached[0] + 1]))
        if following:
            return following
        neighbours = {
            neighbour.id
            for neighbour in (last.left_neighbour, last.right_neighbour)
            if neighbour and neighbour.same_direction
        }
        return [(*path, lane) for lane in neighbours & near]

    def _leaving(self, path: Path, step: int) -> list[Path]:
        """The path where the drive leaves it sideways, as far as its centreline still has coordinates."""
        if self._has_coordinates(path[-1], step):
            return [path]
        candidates = []
        for successors in self._ahead(self._lanes[path[-1]], _EXIT_LOOKAHEAD_M):
            count = next(
                (i for i, lane in enumerate(successors) if not self._has_coordinates(lane, step)), None
            )
            if count != 0:
                candidates.append((*path, *successors[: len(successors) if count is None else count + 1]))
        best = self._best(candidates) if candidates else None
        return [best[1:]] if best else []

    def _has_coordinates(self, lane: int, step: int) -> bool:
        if lane not in self._frames:
            self._frames[lane] = CurvilinearFrame(smooth_line(self._lanes[lane].centre, 10.0, 2.5))
        return bool(np.isfinite(self._frames[lane].project(self._points[step][None]).s[0]))

    def _best(self, paths: Sequence[Path]) -> Path | None:
        """The path with whose centreline the drive is aligned best."""
        if len(paths) == 1:
            return paths[0]
        errors = {
            index: error for index, path in enumerate(paths) if (error := self._error(path)) is not None
        }
        return paths[min(errors, key=lambda index: errors[index])] if errors else None

    def _error(self, path: Path) -> float | None:
        """Mean squared heading error along the path, over all steps near its lanes; None if it has none."""
        lanes = [lane for lane in path if lane >= 0]
        line = np.concatenate([self._lanes[lane].centre for lane in lanes])
        frame = CurvilinearFrame(smooth_line(line, 2.0, 2.0, extra_points=3))
        steps = [step for lane in lanes for step, near in enumerate(self._near) if lane in near]
        s = frame.project(self._points[steps]).s
        errors = angle_difference(self._yaw[steps], frame.yaw(s))[np.isfinite(s)]
        return float(np.square(errors).mean()) if len(errors) else None

    def _ahead(self, lane: Lane, length_m: float) -> list[Path]:
        """Paths of successors of a lane, each extended up to a length."""
        open_paths: list[tuple[Path, float]] = [((after,), self._lengths[after]) for after in lane.successors]
        done: list[Path] = []
        while open_paths:
            longer = []
            for path, length in open_paths:
                after = self._lanes[path[-1]].successors
                if not after:
                    done.append(path)
                for next_lane in after:
                    if next_lane in path or next_lane == lane.id or length >= length_m:
                        done.append(path)
                    elif length + self._lengths[next_lane] < length_m:
                        longer.append(((*path, next_lane), length + self._lengths[next_lane]))
                    else:
                        done.append((*path, next_lane))
            open_paths = longer
        return done


def _lanes_near(road: Road, points: Floats, reach_m: float) -> list[list[int]]:
    """Ids of the lanes within reach of each point (T, 2), in the order of the road's lanes."""
    near: list[list[int]] = [[] for _ in points]
    for lane in road.lanes.values():
        low, high = lane.polygon.min(axis=0) - reach_m, lane.polygon.max(axis=0) + reach_m
        close = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
        for step in close[Polygons([lane.polygon]).distance(points[close]) <= reach_m]:
            near[step].append(lane.id)
    return near
