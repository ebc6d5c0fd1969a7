"""Build scenarios by hand: courses of straights, arcs and bends, with lanes and trajectories along them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.shapes import Points, rotation
from wm_planner.driving.scenarios.road import Lane

Poses: TypeAlias = NDArray[np.float64]  # (n, 3): x, y [m], yaw [rad]

_CURVE_SAMPLES = 400  # points of curves without a closed-form arc length


class Pose(NamedTuple):
    """A pose in m and rad."""

    x: float
    y: float
    yaw: float


class _Piece(NamedTuple):
    length: float
    spacing: float  # of the points of lanes along it, in m
    at: Callable[[NDArray[np.float64]], Poses]


@dataclass(frozen=True)
class Course:
    """A smooth line on the ground; its methods return extended courses."""

    start: Pose
    pieces: tuple[_Piece, ...] = ()

    @property
    def length(self) -> float:
        """Length, in m."""
        return float(sum(piece.length for piece in self.pieces))

    @property
    def end(self) -> Pose:
        """The final pose."""
        if not self.pieces:
            return self.start
        return Pose(*self.at(np.array([self.length]))[0].tolist())

    def straight(self, length: float) -> "Course":
        """Extend straight on by `length` m."""
        return self._append(length, 20.0, lambda s: np.stack([s, 0 * s, 0 * s], axis=-1))

    def arc(self, angle: float, radius: float) -> "Course":
        """Extend by an arc of `angle` rad, to the left if above 0, with a radius of `radius` m."""
        side = np.sign(angle)

        def at(s: NDArray[np.float64]) -> Poses:
            turn = s / radius
            return np.stack([radius * np.sin(turn), side * radius * (1 - np.cos(turn)), side * turn], axis=-1)

        return self._append(abs(angle) * radius, 2.0, at)

    def shift(self, length: float, offset: float) -> "Course":
        """Shift to a parallel line `offset` m to the left within `length` m, with continuous curvature."""
        u = np.linspace(0.0, 1.0, _CURVE_SAMPLES)
        return self._append_line(np.stack([length * u, offset * u**3 * (10 - 15 * u + 6 * u**2)], axis=-1))

    def bend_to(self, goal: Pose) -> "Course":
        """Extend by a cubic Bézier curve to a pose."""
        end = self.end
        xy = rotation(-end.yaw) @ (goal.x - end.x, goal.y - end.y)
        turn = np.mod(goal.yaw - end.yaw + np.pi, 2 * np.pi) - np.pi
        handle = 0.39 * float(np.hypot(*xy))
        corners = np.array(
            [(0.0, 0.0), (handle, 0.0), xy - handle * np.array([np.cos(turn), np.sin(turn)]), xy]
        )
        u = np.linspace(0.0, 1.0, _CURVE_SAMPLES)[:, None]
        weights = np.concatenate([(1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u**2 * (1 - u), u**3], axis=1)
        return self._append_line(weights @ corners)

    def at(self, s: NDArray[np.float64]) -> Poses:
        """Poses (n, 3) at arc lengths s (n,) in m; straight on beyond the ends."""
        ends = np.cumsum([0.0, *(piece.length for piece in self.pieces)])
        index = np.clip(np.searchsorted(ends, s, side="right") - 1, 0, len(self.pieces) - 1)
        poses = np.empty((len(s), 3))
        for number, piece in enumerate(self.pieces):
            on_piece = index == number
            within = np.clip(s[on_piece] - ends[number], 0.0, piece.length)
            poses[on_piece] = piece.at(within)
        beyond = np.minimum(s, 0.0) + np.maximum(s - ends[-1], 0.0)
        poses[:, 0] += beyond * np.cos(poses[:, 2])
        poses[:, 1] += beyond * np.sin(poses[:, 2])
        return poses

    def offset_points(self, offset: float) -> Points:
        """Points (P, 2) of the parallel line `offset` m to the left, dense enough for its bends."""
        ends = np.cumsum([0.0, *(piece.length for piece in self.pieces)])
        counts = [max(1, round(piece.length / piece.spacing)) for piece in self.pieces]
        spans = zip(ends, ends[1:], counts, strict=False)
        s = np.concatenate([*(np.linspace(a, b, n, endpoint=False) for a, b, n in spans), ends[-1:]])
        x, y, yaw = self.at(s).T
        return np.stack([x - offset * np.sin(yaw), y + offset * np.cos(yaw)], axis=-1)

    def _append_line(self, line: Points) -> "Course":
        """Extend by a line (n, 2) in the frame of the final pose."""
        s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        yaw = np.unwrap(np.arctan2(*np.gradient(line, s, axis=0, edge_order=2).T[::-1]))
        poses = np.concatenate([line, yaw[:, None]], axis=1)
        return self._append(
            float(s[-1]), 2.0, lambda at: np.stack([np.interp(at, s, p) for p in poses.T], axis=-1)
        )

    def _append(
        self, length: float, spacing: float, local: Callable[[NDArray[np.float64]], Poses]
    ) -> "Course":
        """Extend by a piece whose poses are given in the frame of the final pose."""
        end = self.end

        def at(s: NDArray[np.float64]) -> Poses:
            poses = local(s)
            xy = (end.x, end.y) + poses[:, :2] @ rotation(end.yaw).T
            return np.concatenate([xy, end.yaw + poses[:, 2:]], axis=1)

        return Course(self.start, (*self.pieces, _Piece(length, spacing, at)))


def lane(identity: int, course: Course, offset: float = 0.0, width: float = 3.5, **fields: Any) -> Lane:
    """A lane along a course, with points rounded to the millimetre.

    Args:
        offset: of the lane's centre, to the left of the course, in m.
        width: in m.
        fields: other fields of Lane.
    """
    left, right = (course.offset_points(offset + side * width / 2).round(3) for side in (1, -1))
    return Lane(identity, left, right, **fields)


def drive_along(
    course: Course,
    speeds: Sequence[tuple[float, float]],
    steps: int,
    dt: float,
    start_s: float = 0.0,
    offset: float = 0.0,
) -> NDArray[np.float64]:
    """States (steps, 4), x, y, yaw, v, of a drive along a course, rounded to four decimals.

    Args:
        speeds: times [s] and speeds [m/s] between which the speed is linear; constant before and after.
        steps: number of states.
        dt: step duration, in s.
        start_s: initial arc length, in m.
        offset: to the left of the course, in m.
    """
    times, values = np.array(speeds).T
    fine = np.arange((steps - 1) * 20 + 1) * (dt / 20)
    v = np.interp(fine, times, values)
    distance = np.concatenate([[0.0], np.cumsum(0.5 * (v[1:] + v[:-1]) * (dt / 20))])
    x, y, yaw = course.at(start_s + distance[::20]).T
    return np.stack([x - offset * np.sin(yaw), y + offset * np.cos(yaw), yaw, v[::20]], axis=-1).round(4)
