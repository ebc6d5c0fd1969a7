"""How far forecasts are from what happened: ADE, FDE, misses, Brier scores, collisions.

All is said twice: of all agents, and of those that moved. Three quarters of the vehicles of public logs are
parked, and flatter every number.

Source: av2's motion-forecasting metrics (Wilson et al. 2021), and those of the Waymo Open Motion Dataset
(Ettinger et al. 2021, sec. 4).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import finite
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

MOVING_M = 5.0
"""Who ends no farther than this from where it was did not move."""

ARGOVERSE_MISS_M = 2.0
"""A forecast misses that ends farther off than this."""
COLLISION_M = 1.0
"""Two agents collide whose centres come nearer than this in the same world."""

WOMD_MISS_M = {3.0: (1.0, 2.0), 5.0: (1.8, 3.6), 8.0: (3.0, 6.0)}
"""Horizon in s to how far off across and along the true heading a forecast may end at 11 m/s and above."""
WOMD_SPEEDS = (1.4, 11.0)
"""In m/s; at the lower one and below, half of that."""


class Displacement(NamedTuple):
    """Means over agents; NaN of none.

    Attributes:
        agents: how many.
        ade: mean distance of the best of K forecasts, in m.
        fde: its distance at the end, in m.
        miss_rate: of agents whose best forecast misses (Argoverse), or all of whose forecasts do (WOMD).
        brier_ade: ade with (1 - p)^2 added, p the best forecast's probability, in m.
        brier_fde: fde with the same added, in m.
    """

    agents: int
    ade: float
    fde: float
    miss_rate: float
    brier_ade: float
    brier_fde: float


class Displacements(NamedTuple):
    """Of all agents, and of those that moved."""

    all: Displacement
    moving: Displacement


def argoverse(
    forecasts: ArrayLike, truth: ArrayLike, now: ArrayLike, probabilities: ArrayLike | None = None
) -> Displacements:
    """By Argoverse 2's convention: the best forecast is the one that ends nearest to the truth.

    Args:
        forecasts: (A, K, T, 2), in m.
        truth: (A, T, 2), in m.
        now: where the agents are before the first step, (A, 2), in m.
        probabilities: (A, K); all alike if None.

    Raises:
        ShapeError: if the arrays do not fit each other.
    """
    away, chances, moved = _checked(forecasts, truth, now, probabilities)
    best = away[..., -1].argmin(axis=1)
    rows = np.arange(len(best))
    ade, fde = away.mean(axis=2)[rows, best], away[rows, best, -1]
    doubt = np.square(1 - chances[rows, best])
    return _both(moved, ade, fde, fde > ARGOVERSE_MISS_M, ade + doubt, fde + doubt)


def womd(
    forecasts: ArrayLike,
    truth: ArrayLike,
    now: ArrayLike,
    heading: ArrayLike,
    speed: ArrayLike,
    horizon_s: float,
    probabilities: ArrayLike | None = None,
) -> Displacements:
    """By the Waymo Open Motion Dataset's convention: the least of each number, and misses by box and speed.

    Args:
        forecasts: until the horizon, (A, K, T, 2), in m.
        truth: (A, T, 2), in m.
        now: where the agents are before the first step, (A, 2), in m.
        heading: true yaw at the horizon, (A,), in rad.
        speed: before the first step, (A,), in m/s.
        horizon_s: 3, 5 or 8.
        probabilities: (A, K); all alike if None.

    Raises:
        ShapeError: if the arrays do not fit each other, or the horizon is another.
    """
    away, chances, moved = _checked(forecasts, truth, now, probabilities)
    if horizon_s not in WOMD_MISS_M:
        raise ShapeError(f"the horizon is {horizon_s} s, wanted one of {', '.join(map(str, WOMD_MISS_M))}")
    off = np.asarray(forecasts, np.float64)[:, :, -1] - np.asarray(truth, np.float64)[:, None, -1]
    missed = _off_box(off, np.asarray(heading), np.asarray(speed), horizon_s).all(axis=1)
    ade, fde = away.mean(axis=2), away[..., -1]
    doubt = np.square(1 - chances)
    least = (values.min(axis=1) for values in (ade, fde))
    return _both(moved, *least, missed, (ade + doubt).min(axis=1), (fde + doubt).min(axis=1))


def collision_rate(worlds: ArrayLike) -> float:
    """The share of forecasts (A, K, T, 2) that come within COLLISION_M of another agent's in the same world.

    World k is made of the k-th forecast of every agent. Source: av2.
    """
    positions = finite(worlds, "worlds", None, None, None, 2)
    if len(positions) < 2:
        return 0.0
    hits = np.zeros(positions.shape[:2], np.bool_)
    for agent in range(len(positions)):  # agent by agent: all pairs at once are large
        apart = np.hypot(*np.moveaxis(positions - positions[agent], -1, 0)).min(axis=2)  # (A, K)
        apart[agent] = np.inf
        hits[agent] = apart.min(axis=0) < COLLISION_M
    return float(hits.mean())


def _checked(
    forecasts: ArrayLike, truth: ArrayLike, now: ArrayLike, probabilities: ArrayLike | None
) -> tuple[Floats, Floats, Truths]:
    """Distances (A, K, T), probabilities (A, K), and who moved (A,)."""
    guessed = finite(forecasts, "forecasts", None, None, None, 2)
    true, begin = finite(truth, "the truth", None, None, 2), finite(now, "positions", None, 2)
    agents, count, steps = guessed.shape[:3]
    alike = np.full((agents, count), 1 / max(count, 1))
    chances = alike if probabilities is None else np.asarray(probabilities, np.float64)
    shapes = true.shape[:2], len(begin), chances.shape
    if shapes != ((agents, steps), agents, (agents, count)) or not count or not steps:
        raise ShapeError(
            f"forecasts have shape {guessed.shape}, the truth {true.shape}, positions {begin.shape}, "
            f"probabilities {chances.shape}: wanted (A, K, T, 2), (A, T, 2), (A, 2) and (A, K)"
        )
    away = np.hypot(*np.moveaxis(guessed - true[:, None], -1, 0))
    return away, chances, np.hypot(*(true[:, -1] - begin).T) > MOVING_M


def _off_box(off: Floats, heading: Floats, speed: Floats, horizon_s: float) -> Truths:
    """Which forecasts end off the box around the truth, (A, K), by how far off they end (A, K, 2)."""
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    along = np.abs(off[..., 0] * cos + off[..., 1] * sin)
    across = np.abs(off[..., 1] * cos - off[..., 0] * sin)
    scale = 0.5 + 0.5 * np.clip((speed - WOMD_SPEEDS[0]) / (WOMD_SPEEDS[1] - WOMD_SPEEDS[0]), 0.0, 1.0)
    lateral, longitudinal = WOMD_MISS_M[horizon_s]
    return (across > lateral * scale[:, None]) | (along > longitudinal * scale[:, None])


def _both(moved: Truths, *columns: Any) -> Displacements:
    """Of means of columns (A,)."""
    return Displacements(_means(np.ones_like(moved), columns), _means(moved, columns))


def _means(rows: Truths, columns: tuple[Any, ...]) -> Displacement:
    count = int(rows.sum())
    means = [float(column[rows].mean()) if count else float("nan") for column in columns]
    return Displacement(count, *means)
