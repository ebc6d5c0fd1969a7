"""Displacement metrics of motion forecasts: ADE, FDE, miss rate, Brier-ADE, Brier-FDE, collision rate.

Every metric is given over all agents and over the moving ones only: three quarters of the vehicles in public
logs are parked, which improves every average.

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
"""An agent is moving if it ends farther than this from where it started."""

ARGOVERSE_MISS_M = 2.0
"""A forecast is a miss if it ends farther than this from the ground truth."""
COLLISION_M = 1.0
"""Two agents collide if their centres come closer than this in the same world."""

WOMD_MISS_M = {3.0: (1.0, 2.0), 5.0: (1.8, 3.6), 8.0: (3.0, 6.0)}
"""Lateral and longitudinal miss thresholds by horizon in s, at 11 m/s and above."""
WOMD_SPEEDS = (1.4, 11.0)
"""In m/s; the thresholds shrink linearly from the upper speed to half at the lower one."""


class Displacement(NamedTuple):
    """Means over agents; NaN without agents.

    Attributes:
        agents: number of agents.
        ade: average displacement error of the best of K forecasts, in m.
        fde: final displacement error of the best of K forecasts, in m.
        miss_rate: fraction of agents whose best forecast is a miss (Argoverse), or all of whose are (WOMD).
        brier_ade: ade plus (1 - p)^2, where p is the probability of the best forecast, in m.
        brier_fde: fde plus the same term, in m.
    """

    agents: int
    ade: float
    fde: float
    miss_rate: float
    brier_ade: float
    brier_fde: float


class Displacements(NamedTuple):
    """Metrics over all agents, and over the moving ones."""

    all: Displacement
    moving: Displacement


def argoverse(
    forecasts: ArrayLike, truth: ArrayLike, now: ArrayLike, probabilities: ArrayLike | None = None
) -> Displacements:
    """Metrics by Argoverse 2's convention: the best forecast is the one with the smallest final error.

    Args:
        forecasts: (A, K, T, 2), in m.
        truth: (A, T, 2), in m.
        now: positions of the agents before the first step, (A, 2), in m.
        probabilities: (A, K); uniform by default.

    Raises:
        ShapeError: if the shapes of the arrays do not match.
    """
    distance, probability, moving = _checked(forecasts, truth, now, probabilities)
    best = distance[..., -1].argmin(axis=1)
    rows = np.arange(len(best))
    ade, fde = distance.mean(axis=2)[rows, best], distance[rows, best, -1]
    penalty = np.square(1 - probability[rows, best])
    return _metrics(moving, ade, fde, fde > ARGOVERSE_MISS_M, ade + penalty, fde + penalty)


def womd(
    forecasts: ArrayLike,
    truth: ArrayLike,
    now: ArrayLike,
    heading: ArrayLike,
    speed: ArrayLike,
    horizon_s: float,
    probabilities: ArrayLike | None = None,
) -> Displacements:
    """Metrics by the Waymo Open Motion Dataset's convention: each error is the minimum over forecasts.

    Args:
        forecasts: up to the horizon, (A, K, T, 2), in m.
        truth: (A, T, 2), in m.
        now: positions of the agents before the first step, (A, 2), in m.
        heading: true yaw at the horizon, (A,), in rad.
        speed: speed before the first step, (A,), in m/s.
        horizon_s: 3, 5 or 8.
        probabilities: (A, K); uniform by default.

    Raises:
        ShapeError: if the shapes of the arrays do not match, or the horizon is not one of WOMD's.
    """
    distance, probability, moving = _checked(forecasts, truth, now, probabilities)
    if horizon_s not in WOMD_MISS_M:
        raise ShapeError(f"the horizon is {horizon_s} s, wanted one of {', '.join(map(str, WOMD_MISS_M))}")
    error = np.asarray(forecasts, np.float64)[:, :, -1] - np.asarray(truth, np.float64)[:, None, -1]
    missed = _outside_box(error, np.asarray(heading), np.asarray(speed), horizon_s).all(axis=1)
    ade, fde = distance.mean(axis=2), distance[..., -1]
    penalty = np.square(1 - probability)
    errors = (ade, fde, ade + penalty, fde + penalty)
    min_ade, min_fde, brier_ade, brier_fde = (error.min(axis=1) for error in errors)
    return _metrics(moving, min_ade, min_fde, missed, brier_ade, brier_fde)


def collision_rate(worlds: ArrayLike) -> float:
    """Fraction of forecasts (A, K, T, 2) that come within COLLISION_M of another agent in the same world.

    World k consists of the k-th forecast of every agent. Source: av2.
    """
    positions = finite(worlds, "worlds", None, None, None, 2)
    if len(positions) < 2:
        return 0.0
    hits = np.zeros(positions.shape[:2], np.bool_)
    for agent in range(len(positions)):  # one agent at a time, to bound memory
        distance = np.hypot(*np.moveaxis(positions - positions[agent], -1, 0)).min(axis=2)  # (A, K)
        distance[agent] = np.inf
        hits[agent] = distance.min(axis=0) < COLLISION_M
    return float(hits.mean())


def _checked(
    forecasts: ArrayLike, truth: ArrayLike, now: ArrayLike, probabilities: ArrayLike | None
) -> tuple[Floats, Floats, Truths]:
    """Distances to the ground truth (A, K, T), probabilities (A, K), and whether agents are moving (A,)."""
    predicted = finite(forecasts, "forecasts", None, None, None, 2)
    true, start = finite(truth, "the truth", None, None, 2), finite(now, "positions", None, 2)
    agents, count, steps = predicted.shape[:3]
    uniform = np.full((agents, count), 1 / max(count, 1))
    probability = uniform if probabilities is None else np.asarray(probabilities, np.float64)
    shapes = true.shape[:2], len(start), probability.shape
    if shapes != ((agents, steps), agents, (agents, count)) or not count or not steps:
        raise ShapeError(
            f"forecasts have shape {predicted.shape}, the truth {true.shape}, positions {start.shape}, "
            f"probabilities {probability.shape}: wanted (A, K, T, 2), (A, T, 2), (A, 2) and (A, K)"
        )
    distance = np.hypot(*np.moveaxis(predicted - true[:, None], -1, 0))
    return distance, probability, np.hypot(*(true[:, -1] - start).T) > MOVING_M


def _outside_box(error: Floats, heading: Floats, speed: Floats, horizon_s: float) -> Truths:
    """Whether final errors (A, K, 2) lie outside the box of miss thresholds, (A, K)."""
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    along = np.abs(error[..., 0] * cos + error[..., 1] * sin)
    across = np.abs(error[..., 1] * cos - error[..., 0] * sin)
    scale = 0.5 + 0.5 * np.clip((speed - WOMD_SPEEDS[0]) / (WOMD_SPEEDS[1] - WOMD_SPEEDS[0]), 0.0, 1.0)
    lateral, longitudinal = WOMD_MISS_M[horizon_s]
    return (across > lateral * scale[:, None]) | (along > longitudinal * scale[:, None])


def _metrics(moving: Truths, *columns: Any) -> Displacements:
    """Means of columns (A,) over all agents and over the moving ones."""
    return Displacements(_means(np.ones_like(moving), columns), _means(moving, columns))


def _means(rows: Truths, columns: tuple[Any, ...]) -> Displacement:
    count = int(rows.sum())
    means = [float(column[rows].mean()) if count else float("nan") for column in columns]
    return Displacement(count, *means)
