"""Collision checks of many candidate trajectories with many agents: the first step at which their boxes
overlap.

States of absent agents are NaN. The broad phase compares bounding circles; the narrow phase compares boxes in
float64, so that NumPy and numba give identical results.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.boxes import separating_gaps
from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.compiled import is_compiled
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

_MARGIN = 1e-2  # m, larger than the rounding errors of float32 circles within 10 km


def first_collisions(
    ego: Floats, size: ArrayLike, agents: Floats, sizes: ArrayLike, directions: Floats | None = None
) -> Steps:
    """The first step at which each candidate collides with each agent, (N, A); T for never.

    Args:
        ego: x, y, yaw of the box centre, (N, T, 3 or more), in m and rad.
        size: length and width of the ego, (2,), in m.
        agents: the same for A agents, (T, A, 3 or more), or (N, T, A, 3 or more) if they differ per
            candidate.
        sizes: lengths and widths of the agents, (A, 2), in m.
        directions: cosine and sine of the ego's yaw, (N, T, 2); None to compute them.

    Raises:
        ShapeError: if the arrays do not match each other.
    """
    ego, agents, half, halves = _checked(ego, size, agents, sizes)
    ego_direction = _directions(ego) if directions is None else directions
    agent_directions = _directions(agents)
    if is_compiled():
        from wm_planner.driving.geometry import kernels

        return kernels.first_collisions(ego, ego_direction, half, agents, agent_directions, halves)
    return _first_collisions(ego, ego_direction, half, agents, agent_directions, halves)


def first_collision(ego: Floats, size: ArrayLike, agents: Floats, sizes: ArrayLike) -> Steps:
    """The first step at which each candidate collides with any agent, (N,); see `first_collisions`."""
    first = first_collisions(ego, size, agents, sizes)
    return np.asarray(first.min(axis=1, initial=np.shape(ego)[1]))


def _first_collisions(
    ego: Floats, ego_direction: Floats, half: Floats, agents: Floats, agent_directions: Floats, halves: Floats
) -> Steps:
    """NumPy version of `kernels.first_collisions`."""
    n, t, a = _nearby_pairs(ego[..., :2], agents[..., :2], np.hypot(*half) + np.hypot(*halves.T))
    m = n if len(agents) > 1 else np.zeros_like(n)
    offset = agents[m, t, a, :2] - ego[n, t, :2]
    ego_box = (*ego_direction[n, t].T, *half)
    agent_box = (*agent_directions[m, t, a].T, *halves[a].T)
    g = separating_gaps(*offset.T, *ego_box, *agent_box)
    touching = (g[0] <= 0) & (g[1] <= 0) & (g[2] <= 0) & (g[3] <= 0)
    first = np.full((len(ego), len(halves)), ego.shape[1], np.int64)
    np.minimum.at(first, (n[touching], a[touching]), t[touching])
    return first


def _nearby_pairs(ego: Floats, agents: Floats, reach: Floats) -> tuple[Steps, ...]:
    """Indices n, t, a of candidates (N, T, 2) within `reach` (A,) in m of agents (1 or N, T, A, 2)."""
    origin = ego.reshape(-1, 2)[np.isfinite(ego).all(axis=2).argmax() :][:1].sum(axis=0)
    ego_x, ego_y = np.ascontiguousarray((ego - origin).T.astype(np.float32))[:, :, None]  # (T, 1, N) each
    x, y = np.ascontiguousarray((agents - origin).transpose(3, 1, 2, 0).astype(np.float32))  # (T, A, 1 or N)
    limit = np.square(reach + _MARGIN).astype(np.float32)[:, None]
    near = []
    for t in range(len(x)):  # per step, so that the arrays stay in the cache
        squared, dy = ego_x[t] - x[t], ego_y[t] - y[t]  # (A, N): N, the longest axis, is contiguous
        squared *= squared
        dy *= dy
        squared += dy
        a, n = np.divmod(np.flatnonzero(squared < limit), squared.shape[1])
        near.append((n, np.full_like(n, t), a))
    n, t, a = np.concatenate(near, axis=1) if near else np.empty((3, 0), np.int64)
    return n, t, a


def _checked(
    ego: Floats, size: ArrayLike, agents: Floats, sizes: ArrayLike
) -> tuple[Floats, Floats, Floats, Floats]:
    """The poses (N, T, 3) and (1 or N, T, A, 3), and half the sizes (2,) and (A, 2)."""
    ego, agents = np.asarray(ego, np.float64), np.asarray(agents, np.float64)
    half, halves = checked(size, "the ego's size", 2) / 2, checked(sizes, "sizes of agents", None, 2) / 2
    agents = agents[None] if agents.ndim == 3 else agents
    fits = ego.ndim == 3 and agents.ndim == 4 and min(ego.shape[2], agents.shape[3]) >= 3
    if (
        not fits
        or agents.shape[1:3] != (ego.shape[1], len(halves))
        or agents.shape[0] not in (1, len(ego))
        or half.shape != (2,)
    ):
        raise ShapeError(
            f"the ego has shape {ego.shape}, agents {agents.shape}, their sizes {halves.shape}: wanted "
            "(N, T, 3), (T, A, 3) or (N, T, A, 3), and (A, 2)"
        )
    return ego[..., :3], agents[..., :3], half, halves


def _directions(poses: Floats) -> Floats:
    """Cosine and sine (..., 2) of the yaw of poses (..., 3)."""
    return np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], axis=-1)
