"""Arithmetic on the edges of polygons, for arrays and for numbers inside a kernel."""

from typing import Any

import numpy as np


def ray_crosses_edge(x: Any, y: Any, x0: Any, y0: Any, x1: Any, y1: Any) -> Any:
    """Whether a ray along +x from a point crosses an edge. Takes arrays, or numbers inside a kernel."""
    rise = y1 - y0
    return ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / (rise + (rise == 0)) * (x1 - x0))


def squared_edge_distance(x: Any, y: Any, x0: Any, y0: Any, x1: Any, y1: Any) -> Any:
    """The squared distance of a point to an edge. Takes arrays, or numbers inside a kernel."""
    wx, wy = x1 - x0, y1 - y0
    square = wx * wx + wy * wy
    share = ((x - x0) * wx + (y - y0) * wy) / (square + (square == 0))
    share = np.minimum(np.maximum(share, 0.0), 1.0)
    dx, dy = x - x0 - share * wx, y - y0 - share * wy
    return dx * dx + dy * dy
