"""Polylines by their length."""

import numpy as np

from wm_planner.driving.shapes import Points


def spread(line: Points, count: int) -> Points:
    """`count` points, evenly along the length of a polyline (P, 2)."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, line[:, axis]) for axis in range(2)], axis=-1)


def across(left: Points, right: Points) -> tuple[Points, Points]:
    """Two edges with as many points as the one that has more; the other is spread along its length."""
    count = max(len(left), len(right))
    even = (edge if len(edge) == count else spread(edge, count) for edge in (left, right))
    return next(even), next(even)
