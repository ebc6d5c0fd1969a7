"""Which lanes a CommonRoad solution trajectories along, and where it is beside their centres at each step.

Source: commonroad-drivability-checker 2025.4, its route matcher. What it does by accident is kept, because
costs are compared: a lane counts as driven on within half a disc's reach, and a change from one line to the
next shifts what is behind.
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

_FAR_M = 10.0  # of successors that are looked at where a drive leaves its lanes
_ALIKE_RAD = 0.1  # up to which a line farther ahead may be worse aligned


class LaneCoordinates(NamedTuple):
    """Where a drive is beside lane centres, (T,) each.

    Attributes:
        s: arc length, going on from line to line, in m.
        d: to the left of the line, in m.
        turned: yaw against the line's, in rad.
        frames: the line at each step.
    """

    s: Floats
    d: Floats
    turned: Floats
    frames: tuple[CurvilinearFrame, ...]


def lane_coordinates(
    road: Road, points: Floats, yaw: Floats, reach_m: float, step_m: float
) -> LaneCoordinates:
    """Where a drive is beside the lanes it follows.

    Args:
        points: (T, 2) in m.
        yaw: (T,) in rad.
        reach_m: distance within which a lane is driven on.
        step_m: the most it moves in a step.

    Raises:
        ScenarioError: if it leaves the lanes.
    """
    route = _Matching(road, points, yaw, reach_m, step_m).route()
    if not route:
        raise ScenarioError("the drive is on no lane, so that it has no lane's centre to be compared with")
    lines = [_centre(run) for run in _runs([road.lanes[lane] for lane in route])]
    frames = [CurvilinearFrame(smooth_line(line, 10.0, 2.5)) for line in lines]
    lengths = [float(frame.project(line[-1:]).s[0]) for frame, line in zip(frames, lines, strict=True)]
    return _walked(frames, lengths, points, yaw)


def difference(one: ArrayLike, other: ArrayLike) -> Floats:
    """Angles one - other, from -pi up to pi."""
    return np.asarray(np.fmod(np.subtract(one, other) + 3 * np.pi, 2 * np.pi) - np.pi)


def _runs(lanes: Sequence[Lane]) -> Iterator[list[Lane]]:
    """Lanes that follow each other."""
    run: list[Lane] = []
    for lane in lanes:
        if run and lane.id not in run[-1].successors:
            yield run
            run = []
        run.append(lane)
    yield run


def _centre(run: Sequence[Lane]) -> Floats:
    """The centre along lanes; where edges meet, the joint once."""
    line = [run[0].centre]
    for before, lane in pairwise(run):
        meets = np.isclose(before.left[-1], lane.left[0]).all()
        line.append(lane.centre[1:] if meets else lane.centre)
    return np.concatenate(line)


def _walked(
    frames: Sequence[CurvilinearFrame], lengths: Sequence[float], points: Floats, yaw: Floats
) -> LaneCoordinates:
    """Each step in the frame it belongs to, and from one frame to the next where that is nearer."""
    found = [frame.project(points) for frame in frames]
    turns = [difference(yaw, frame.yaw(each.s)) for frame, each in zip(frames, found, strict=True)]
    at, shift, ahead, back = 0, 0.0, np.nan, None
    s, d, turned, used = np.empty(len(points)), np.empty(len(points)), np.empty(len(points)), []
    for t in range(len(points)):
        here, aside, turn = found[at].s[t], found[at].d[t], turns[at][t]
        if at + 1 < len(frames):
            there, off = found[at + 1].s[t], found[at + 1].d[t]
            both = np.isfinite(here) and np.isfinite(there)
            ahead = turns[at + 1][t] if both else ahead
            alike = not both or difference(abs(ahead), abs(turn)) < _ALIKE_RAD
            if np.isfinite(there) and (not np.isfinite(here) or (abs(off) < abs(aside) and alike)):
                shift += (lengths[at] if not np.isfinite(here) else here - there) if back is None else 0.0
                at, here, aside = at + 1, there, off
                turn = ahead if np.isfinite(ahead) else turns[at][t]
        if not np.isfinite(here):
            raise ScenarioError(f"the drive leaves its lanes at step {t}, at {points[t].round(2).tolist()}")
        if abs(turn) > np.pi / 2 and back is None:
            back, shift = here, shift + here
        elif abs(turn) <= np.pi / 2:
            back = None
        s[t] = here + shift if back is None else shift + back - here
        d[t], turned[t] = aside, turn
        used.append(frames[at])
    return LaneCoordinates(s, d, turned, tuple(used))


class _Matching:
    """The search for the lanes of one drive."""

    def __init__(self, road: Road, points: Floats, yaw: Floats, reach_m: float, step_m: float) -> None:
        self._lanes = road.lanes
        self._points, self._yaw, self._step_m = points, yaw, step_m
        self._near = [set(row) for row in _lanes_near(road, points, reach_m)]
        self._frames: dict[int, CurvilinearFrame] = {}
        self._lengths = {
            lane.id: float(np.hypot(*np.diff(lane.centre, axis=0).T).sum()) for lane in road.lanes.values()
        }

    def route(self) -> list[int]:
        """Ids of the lanes in the order in which they are driven on.

        Several paths are followed while it is not clear which one the drive is on. A path begins with the
        lane before it, or with -1.
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
                open_paths = [path for each in paths for path in self._strayed(each, step)]
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
        """The path itself while it is driven on, or what follows or lies beside it."""
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
        beside = {
            neighbour.id
            for neighbour in (last.left_neighbour, last.right_neighbour)
            if neighbour and neighbour.same_direction
        }
        return [(*path, lane) for lane in beside & near]

    def _strayed(self, path: Path, step: int) -> list[Path]:
        """The path where it is left sideways: as long as its line or one that follows has coordinates."""
        if self._has(path[-1], step):
            return [path]
        found = []
        for successors in self._ahead(self._lanes[path[-1]], _FAR_M):
            count = next((i for i, lane in enumerate(successors) if not self._has(lane, step)), None)
            if count != 0:
                found.append((*path, *successors[: len(successors) if count is None else count + 1]))
        best = self._best(found) if found else None
        return [best[1:]] if best else []

    def _has(self, lane: int, step: int) -> bool:
        if lane not in self._frames:
            self._frames[lane] = CurvilinearFrame(smooth_line(self._lanes[lane].centre, 10.0, 2.5))
        return bool(np.isfinite(self._frames[lane].project(self._points[step][None]).s[0]))

    def _best(self, paths: Sequence[Path]) -> Path | None:
        """The path whose line the drive is aligned with best."""
        if len(paths) == 1:
            return paths[0]
        errors = {
            index: error for index, path in enumerate(paths) if (error := self._error(path)) is not None
        }
        return paths[min(errors, key=lambda index: errors[index])] if errors else None

    def _error(self, path: Path) -> float | None:
        """The mean square of yaw against the path's line, of all steps near each of its lanes."""
        lanes = [lane for lane in path if lane >= 0]
        line = np.concatenate([self._lanes[lane].centre for lane in lanes])
        frame = CurvilinearFrame(smooth_line(line, 2.0, 2.0, extra_points=3))
        steps = [step for lane in lanes for step, near in enumerate(self._near) if lane in near]
        s = frame.project(self._points[steps]).s
        errors = difference(self._yaw[steps], frame.yaw(s))[np.isfinite(s)]
        return float(np.square(errors).mean()) if len(errors) else None

    def _ahead(self, lane: Lane, most_m: float) -> list[Path]:
        """Paths of what follows a lane, until they are that long."""
        open_paths: list[tuple[Path, float]] = [((after,), self._lengths[after]) for after in lane.successors]
        done: list[Path] = []
        while open_paths:
            longer = []
            for path, length in open_paths:
                after = self._lanes[path[-1]].successors
                if not after:
                    done.append(path)
                for next_lane in after:
                    if next_lane in path or next_lane == lane.id or length >= most_m:
                        done.append(path)
                    elif length + self._lengths[next_lane] < most_m:
                        longer.append(((*path, next_lane), length + self._lengths[next_lane]))
                    else:
                        done.append((*path, next_lane))
            open_paths = longer
        return done


def _lanes_near(road: Road, points: Floats, reach_m: float) -> list[list[int]]:
    """Ids of the lanes within reach of each point (T, 2), in the road's order."""
    near: list[list[int]] = [[] for _ in points]
    for lane in road.lanes.values():
        low, high = lane.polygon.min(axis=0) - reach_m, lane.polygon.max(axis=0) + reach_m
        close = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
        for step in close[Polygons([lane.polygon]).distance(points[close]) <= reach_m]:
            near[step].append(lane.id)
    return near
