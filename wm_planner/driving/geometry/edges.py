"""Predicates and distances for polygon edges; they work on arrays, and on numbers inside a kernel."""

from typing import Any

import numpy as np


def ray_crosses_edge(x: Any, y: Any, x0: Any, y0: Any, x1: Any, y1: Any) -> Any:
    """Whether a ray along +x from the point (x, y) crosses the edge from (x0, y0) to (x1, y1)."""
    rise = y1 - y0
    return ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / (rise + (rise == 0)) * (x1 - x0))


def squared_edge_distance(x: Any, y: Any, x0: Any, y0: Any, x1: Any, y1: Any) -> Any:
    """The squared distance from the point (x, y) to the edge from (x0, y0) to (x1, y1)."""
    wx, wy = x1 - x0, y1 - y0
    squared_length = wx * wx + wy * wy
    fraction = ((x - x0) * wx + (y - y0) * wy) / (squared_length + (squared_length == 0))
    fraction = np.minimum(np.maximum(fraction, 0.0), 1.0)
    dx, dy = x - x0 - fraction * wx, y - y0 - fraction * wy
    return dx * dx + dy * dy
