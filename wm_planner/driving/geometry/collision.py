"""Collisions of many candidate trajectories with many agents: when does a box first meet a box?

Agents that are absent at a step are NaN there. Who is far from every agent costs a comparison of circles;
only what is near is looked at as boxes, in float64, so that NumPy and numba give the same verdicts.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.boxes import separating_gaps
from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.compiled import is_compiled
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

_MARGIN = 1e-2  # m, beyond what circles in float32 get wrong within 10 km


def first_collisions(
    ego: Floats, size: ArrayLike, agents: Floats, sizes: ArrayLike, directions: Floats | None = None
) -> Steps:
    """The first step in which each candidate meets each agent, (N, A); T where it never does.

    Args:
        ego: poses of the box's centre, x, y, yaw, (N, T, 3 or more); m and rad.
        size: length and width of the ego, (2,), in m.
        agents: the same of A agents, (T, A, 3 or more), or (N, T, A, 3 or more) if they differ by candidate.
        sizes: (A, 2).
        directions: cosine and sine of the ego's yaw, (N, T, 2), where they are known already.

    Raises:
        ShapeError: if the arrays do not fit each other.
    """
    ego, agents, half, halves = _checked(ego, size, agents, sizes)
    ways = _directions(ego) if directions is None else directions, _directions(agents)
    if is_compiled():
        from wm_planner.driving.geometry import kernels

        return kernels.first_collisions(ego, ways[0], half, agents, ways[1], halves)
    return _first_collisions(ego, ways[0], half, agents, ways[1], halves)


def first_collision(ego: Floats, size: ArrayLike, agents: Floats, sizes: ArrayLike) -> Steps:
    """The first step in which each candidate meets anyone, (N,); T where it never does. See `first_hits`."""
    hits = first_collisions(ego, size, agents, sizes)
    return np.asarray(hits.min(axis=1, initial=np.shape(ego)[1]))


def _first_collisions(
    ego: Floats, ego_direction: Floats, half: Floats, agents: Floats, agent_directions: Floats, halves: Floats
) -> Steps:
    """What the kernel does, by NumPy."""
    n, t, a = _nearby_pairs(ego[..., :2], agents[..., :2], np.hypot(*half) + np.hypot(*halves.T))
    m = n if len(agents) > 1 else np.zeros_like(n)
    way = agents[m, t, a, :2] - ego[n, t, :2]
    there = (*ego_direction[n, t].T, *half), (*agent_directions[m, t, a].T, *halves[a].T)
    g = separating_gaps(*way.T, *there[0], *there[1])
    touching = (g[0] <= 0) & (g[1] <= 0) & (g[2] <= 0) & (g[3] <= 0)
    hits = np.full((len(ego), len(halves)), ego.shape[1], np.int64)
    np.minimum.at(hits, (n[touching], a[touching]), t[touching])
    return hits


def _nearby_pairs(ego: Floats, agents: Floats, reach: Floats) -> tuple[Steps, ...]:
    """Which candidates (N, T, 2) come within `reach` (A,) of which agents (1 or N, T, A, 2): n, t, a."""
    origin = ego.reshape(-1, 2)[np.isfinite(ego).all(axis=2).argmax() :][:1].sum(axis=0)
    ego_x, ego_y = np.ascontiguousarray((ego - origin).T.astype(np.float32))[:, :, None]  # (T, 1, N) each
    x, y = np.ascontiguousarray((agents - origin).transpose(3, 1, 2, 0).astype(np.float32))  # (T, A, 1 or N)
    limit = np.square(reach + _MARGIN).astype(np.float32)[:, None]
    near = []
    for t in range(len(x)):  # step by step, so that everything stays in the cache
        square, other = ego_x[t] - x[t], ego_y[t] - y[t]  # (A, N): loops along N are the longest
        square *= square
        other *= other
        square += other
        a, n = np.divmod(np.flatnonzero(square < limit), square.shape[1])
        near.append((n, np.full_like(n, t), a))
    n, t, a = np.concatenate(near, axis=1) if near else np.empty((3, 0), np.int64)
    return n, t, a


def _checked(
    ego: Floats, size: ArrayLike, agents: Floats, sizes: ArrayLike
) -> tuple[Floats, Floats, Floats, Floats]:
    """Poses (N, T, 3) and (1 or N, T, A, 3), half sizes (2,) and (A, 2)."""
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
    """Cosine and sine of the yaw of poses (..., 3), (..., 2)."""
    return np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], axis=-1)
