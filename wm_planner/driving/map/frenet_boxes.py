"""Boxes in the Frenet frame of a line, and the leader and follower on it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.boxes import LENGTH, WIDTH
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.state_columns import YAW

Floats = NDArray[np.float64]


class FrenetBoxes(NamedTuple):
    """M boxes in the Frenet frame of a line, (M,) each; NaN where absent.

    Attributes:
        s: arc length of the centre, in m.
        d: offset of the centre to the left of the line, in m.
        speed: along the line, in m/s.
        half_length: half the extent along the line, in m.
        half_width: half the extent across the line, in m.
    """

    s: Floats
    d: Floats
    speed: Floats
    half_length: Floats
    half_width: Floats

    @classmethod
    def from_boxes(cls, line: Centreline, boxes: Floats, speed: Floats) -> "FrenetBoxes":
        """Boxes (M, 5), NaN where absent, with speeds (M,) along their yaw in m/s."""
        present = np.isfinite(boxes[:, 0])
        s, d, yaw = np.full((3, len(boxes)), np.nan)
        s[present], d[present], yaw[present] = line.project(boxes[present, :2])
        turn = boxes[:, YAW] - yaw
        cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
        length, width = boxes[:, LENGTH] / 2, boxes[:, WIDTH] / 2
        return cls(s, d, speed * np.cos(turn), length * cos + width * sin, length * sin + width * cos)

    def leader(self, s: float, half_length: float, half_width: float, d: float = 0.0) -> tuple[float, float]:
        """The gap in m from a box at (s, d) to the next box ahead, and its speed; inf and 0 without one.

        A gap below 0 is an overlap. A box at the same s is not a leader, nor is one whose projection onto the
        line lies at the same end of it.
        """
        row, gap = self._next(self.s - s, half_length, half_width, d)
        return gap, float(self.speed[row]) if row is not None else 0.0

    def follower(self, s: float, half_length: float, half_width: float, d: float = 0.0) -> int | None:
        """The row of the next box behind a box at (s, d); None without one."""
        return self._next(s - self.s, half_length, half_width, d)[0]

    def _next(
        self, distance: Floats, half_length: float, half_width: float, d: float
    ) -> tuple[int | None, float]:
        """The nearest laterally overlapping box at a positive `distance` (M,) in m, and the gap to it."""
        overlapping = np.abs(self.d - d) < self.half_width + half_width
        rows = np.flatnonzero(overlapping & (distance > 0))
        if not len(rows):
            return None, np.inf
        gaps = distance[rows] - self.half_length[rows] - half_length
        nearest = int(gaps.argmin())
        return int(rows[nearest]), float(gaps[nearest])
