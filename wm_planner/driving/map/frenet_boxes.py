"""Who is ahead on a line: boxes beside it, and how far it is to the next one in the way."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.boxes import LENGTH, WIDTH
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.state_columns import YAW

Floats = NDArray[np.float64]


class FrenetBoxes(NamedTuple):
    """M boxes as a line sees them, (M,) each; absent ones are NaN.

    Attributes:
        s: arc length of the centre, in m.
        d: offset to the left, in m.
        speed: along the line, in m/s.
        half_length: along the line, in m.
        half_width: across it, in m.
    """

    s: Floats
    d: Floats
    speed: Floats
    half_length: Floats
    half_width: Floats

    @classmethod
    def from_boxes(cls, line: Centreline, boxes: Floats, speed: Floats) -> "FrenetBoxes":
        """Boxes (M, 5) with speeds (M,) along their yaw; who is absent (NaN) stays so."""
        here = np.isfinite(boxes[:, 0])
        s, d, yaw = np.full((3, len(boxes)), np.nan)
        s[here], d[here], yaw[here] = line.project(boxes[here, :2])
        turn = boxes[:, YAW] - yaw
        cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
        length, width = boxes[:, LENGTH] / 2, boxes[:, WIDTH] / 2
        return cls(s, d, speed * np.cos(turn), length * cos + width * sin, length * sin + width * cos)

    def leader(self, s: float, half_length: float, half_width: float, d: float = 0.0) -> tuple[float, float]:
        """The gap in m to the next box ahead of one at (s, d), and its speed; inf and 0 where there is none.

        A gap below 0 is an overlap. Whoever stands at the same s is nobody's leader, nor is one that a line
        passes at its end.
        """
        row, gap = self._next(self.s - s, half_length, half_width, d)
        return gap, float(self.speed[row]) if row is not None else 0.0

    def follower(self, s: float, half_length: float, half_width: float, d: float = 0.0) -> int | None:
        """The row of the next box behind one at (s, d)."""
        return self._next(s - self.s, half_length, half_width, d)[0]

    def _next(self, way: Floats, half_length: float, half_width: float, d: float) -> tuple[int | None, float]:
        """The nearest box in the way, of those `way` (M,) m onward, and the gap to it."""
        beside = np.abs(self.d - d) < self.half_width + half_width
        rows = np.flatnonzero(beside & (way > 0))
        if not len(rows):
            return None, np.inf
        gaps = way[rows] - self.half_length[rows] - half_length
        nearest = int(gaps.argmin())
        return int(rows[nearest]), float(gaps[nearest])
