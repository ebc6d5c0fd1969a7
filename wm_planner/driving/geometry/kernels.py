"""Kernels compiled by numba. Each gives the same result as its caller's NumPy version, bit for bit."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry import boxes, edges
from wm_planner.driving.geometry.compiled import kernel

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_gaps = kernel(boxes.separating_gaps)
_ray_crosses_edge = kernel(edges.ray_crosses_edge)
_squared_edge_distance = kernel(edges.squared_edge_distance)


@kernel
def first_collisions(
    ego: Floats,
    ego_direction: Floats,
    ego_half: Floats,
    agents: Floats,
    agent_directions: Floats,
    agent_halves: Floats,
) -> Indices:
    """See `collision.first_collisions`; directions are cosine and sine of the yaw, halves half the sizes."""
    count, steps, agent_count = len(ego), ego.shape[1], len(agent_halves)
    first = np.full((count, agent_count), steps)
    reach = (
        np.hypot(ego_half[0], ego_half[1]) + np.hypot(agent_halves[:, 0], agent_halves[:, 1]) + 1e-9
    ) ** 2
    x, y = agents[..., 0].copy(), agents[..., 1].copy()
    for n in range(count):
        m = min(n, len(agents) - 1)
        for t in range(steps):
            ex, ey, is_near = ego[n, t, 0], ego[n, t, 1], 0
            for a in range(agent_count):  # without branches, so that it is vectorized
                dx, dy = x[m, t, a] - ex, y[m, t, a] - ey
                is_near |= dx * dx + dy * dy < reach[a]
            for a in range(agent_count if is_near else 0):
                dx, dy = x[m, t, a] - ex, y[m, t, a] - ey
                if not dx * dx + dy * dy < reach[a] or first[n, a] < t:
                    continue
                ca, sa = ego_direction[n, t]
                cb, sb = agent_directions[m, t, a]
                g = _gaps(
                    dx, dy, ca, sa, ego_half[0], ego_half[1], cb, sb, agent_halves[a, 0], agent_halves[a, 1]
                )
                if g[0] <= 0 and g[1] <= 0 and g[2] <= 0 and g[3] <= 0:
                    first[n, a] = t
    return first


@kernel
def nearest_segments(
    points: Floats,
    starts: Floats,
    vectors: Floats,
    inverse_squared_lengths: Floats,
    centres: Floats,
    radii: Floats,
) -> tuple[Indices, Floats, Floats]:
    """See `segments.nearest_segments`; the search starts in the block of the previous point."""
    blocks, size = starts.shape[:2]
    segment, fraction = np.empty(len(points), np.int64), np.empty(len(points))
    squared_distance = np.empty(len(points))
    last = 0
    for m in range(len(points)):
        x, y = points[m]
        best, at, where = np.inf, 0, 0.0
        reach = np.inf
        for turn in range(blocks):
            b = (last + turn) % blocks
            dx, dy = x - centres[b, 0], y - centres[b, 1]
            if dx * dx + dy * dy > (reach + radii[b]) ** 2:
                continue
            for k in range(size):
                px, py = x - starts[b, k, 0], y - starts[b, k, 1]
                wx, wy = vectors[b, k, 0], vectors[b, k, 1]
                t = min(max((px * wx + py * wy) * inverse_squared_lengths[b, k], 0.0), 1.0)
                px -= t * wx
                py -= t * wy
                d = px * px + py * py
                index = b * size + k
                if d < best or (d == best and index < at):
                    best, at, where = d, index, t
            reach = np.sqrt(best)
        segment[m], fraction[m], squared_distance[m] = at, where, best
        last = at // size
    return segment, fraction, squared_distance


@kernel
def query_polygons(
    points: Floats,
    max_parts: int,
    measured: bool,
    side: float,
    origin: Floats,
    counts: Indices,
    parts: Indices,
    polygon: Indices,
    inverted: NDArray[np.bool_],
    edges: Indices,
    ends: Floats,
) -> tuple[Indices, Floats]:
    """See `polygons.Polygons`; the last eight arguments are the fields of Tiles."""
    containing, squared = np.full((len(points), max_parts), -1), np.full(len(points), np.inf)
    for m in range(len(points)):
        x, y = points[m]
        column, row = np.floor((x - origin[0]) / side), np.floor((y - origin[1]) / side)
        if not (0 <= column < counts[0] and 0 <= row < counts[1]):
            continue
        tile = int(column) * counts[1] + int(row)
        found = 0
        for part in range(parts[tile], parts[tile + 1]):
            is_inside = inverted[part]
            for e in range(edges[part], edges[part + 1]):
                x0, y0, x1, y1 = ends[e]
                is_inside ^= _ray_crosses_edge(x, y, x0, y0, x1, y1)
                if measured:
                    squared[m] = min(squared[m], _squared_edge_distance(x, y, x0, y0, x1, y1))
            if is_inside:
                containing[m, found] = polygon[part]
                found += 1
    return containing, squared


@kernel
def bilinear(grid: NDArray[np.float32], low: Floats, cell_m: float, points: Floats) -> Floats:
    """See `area.DrivableArea`."""
    columns, rows = grid.shape
    values = np.empty(len(points))
    for m in range(len(points)):
        x = min(max((points[m, 0] - low[0]) / cell_m, 0.0), columns - 1.001)
        y = min(max((points[m, 1] - low[1]) / cell_m, 0.0), rows - 1.001)
        i, j = int(x), int(y)
        u, v = x - i, y - j
        a, b = np.float64(grid[i, j]), np.float64(grid[i, j + 1])
        c, d = np.float64(grid[i + 1, j]), np.float64(grid[i + 1, j + 1])
        values[m] = (1 - u) * ((1 - v) * a + v * b) + u * ((1 - v) * c + v * d)
    return values
