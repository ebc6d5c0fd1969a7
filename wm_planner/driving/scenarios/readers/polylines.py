"""Resampling and offsetting of polylines."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.shapes import Points


def resampled(line: Points, count: int) -> Points:
    """`count` points at equal distances along a polyline (P, 2)."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, line[:, axis]) for axis in range(2)], axis=-1)


def matched_edges(left: Points, right: Points) -> tuple[Points, Points]:
    """Two edges with the same number of points; the one with fewer points is resampled."""
    count = max(len(left), len(right))
    matched = (edge if len(edge) == count else resampled(edge, count) for edge in (left, right))
    return next(matched), next(matched)


def distinct(line: Points) -> NDArray[np.bool_]:
    """Whether points of a polyline (P, 2) differ from their predecessor, (P,)."""
    moves: NDArray[np.bool_] = (np.diff(line, axis=0) != 0).any(axis=1)
    return np.concatenate([[True], moves])


def offset_polyline(line: Points, offset: ArrayLike) -> Points:
    """A polyline (P, 2) moved to its left.

    Args:
        line: (P, 2), without consecutive duplicates.
        offset: in m, a scalar or (P,); below 0 to the right.
    """
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    left = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    moved: Points = line + left * np.broadcast_to(offset, len(line))[:, None]
    return moved
