"""Prediction error of a world model and information in its latent, measured on held-out episodes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.dataset import Dataset
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel
from wm_planner.data.effective_rank import effective_rank
from wm_planner.data.episodes import quantity_of
from wm_planner.errors import DatasetError
from wm_planner.evaluation.model_quality.pairs import check_fits, observation_at, starts_of
from wm_planner.world_models.episode_encoder import EpisodeEncoder

Floats = NDArray[np.floating]

MAX_CLIPS = 512
RIDGE = 1e-3
"""Penalty of the probe per sample, for features of unit variance."""


@dataclass(frozen=True, slots=True)
class PredictionReport:
    """Results for one latent array.

    Attributes:
        relative_error: E|predicted - real|^2 / E|real - start|^2 by steps ahead; 1 is copy-last.
        shuffled_error: the same with the actions of another clip.
        probe_r2: R^2 of each component of the probed quantity, predicted linearly from the latent.
        probe_rms: RMS error of that probe over all components, in the quantity's unit.
        effective_rank: exponential of the entropy of the normalised variances along the principal axes.
        std_mean, std_min: mean and minimum over the latent's components of their std over frames.
        static_share: fraction of the variance that does not change over time, see `static_share`.
    """

    relative_error: dict[int, float]
    shuffled_error: dict[int, float]
    probe_r2: tuple[float, ...]
    probe_rms: float
    effective_rank: float
    std_mean: float
    std_min: float
    static_share: float


def measure(
    model: WorldModel,
    data: Dataset,
    latent: str,
    quantity: str = "tcp_position",
    horizons: Sequence[int] = (1, 5, 10),
) -> PredictionReport:
    """Measure the array `latent` of a model on data, and probe it for a state quantity.

    Raises:
        DatasetError: if the data lack the quantity or what the card says, their episodes are too short, or
            there is only one.
    """
    check_fits(data, model.card)
    target = quantity_of(data, quantity)
    starts = starts_of(data, max(horizons) + 1)
    if data.meta.episodes < 2:
        raise DatasetError(f"{data.path} has one episode, wanted two: a probe is fitted on one of them")
    frames = embed(model, data)
    z = frames[latent].reshape(len(data.episode), -1)
    starts = starts[np.linspace(0, len(starts) - 1, min(MAX_CLIPS, len(starts))).astype(int)]
    actions = data.read("action", slice(None))[starts[:, None] + np.arange(max(horizons))]  # (N, H, A)
    predicted = _predict(model, frames, starts, actions, latent)
    shuffled = _predict(model, frames, starts, np.roll(actions, len(actions) // 2, axis=0), latent)
    real = z[starts[:, None] + np.arange(max(horizons) + 1)]  # (N, 1 + H, D)
    r2, rms = probe(z, target, data.episode)
    std = z.std(axis=0)
    return PredictionReport(
        relative_error={h: relative_error(real, predicted, h) for h in horizons},
        shuffled_error={h: relative_error(real, shuffled, h) for h in horizons},
        probe_r2=tuple(r2.tolist()),
        probe_rms=rms,
        effective_rank=effective_rank(z),
        std_mean=float(std.mean()),
        std_min=float(std.min()),
        static_share=static_share(frames[latent]),
    )


def embed(model: WorldModel, data: Dataset) -> Latent:
    """The latents of all frames by name, (n, ...); memory begins with each episode."""
    encoder, rows, actions = EpisodeEncoder(model), [], data.read("action", slice(None))
    for row, episode in enumerate(data.episode):
        is_first = row == 0 or episode != data.episode[row - 1]
        if is_first:
            encoder.reset()
        observation = replace(observation_at(data, model.card, row), stamp_ns=row)  # each row once
        rows.append(encoder.encode(observation, None if is_first else actions[row - 1]))
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _predict(
    model: WorldModel, frames: Latent, starts: NDArray[np.int64], actions: Floats, latent: str
) -> Floats:
    """Latents (N, H, D) of rollouts with actions (N, H, A), each from its own start frame (N,)."""
    size = model.card.max_candidates
    chunks = []
    for first in range(0, len(starts), size):
        now: Latent = {name: array[starts[first : first + size]] for name, array in frames.items()}
        steps = []
        for h in range(actions.shape[1]):
            now, _ = model.step(now, actions[first : first + size, h])
            steps.append(now[latent].reshape(len(now[latent]), -1))
        chunks.append(np.stack(steps, axis=1))
    return np.concatenate(chunks)


def relative_error(real: Floats, predicted: Floats, steps: int) -> float:
    """E|predicted - real|^2 / E|real - start|^2 after a number of steps; 1 is copy-last.

    Args:
        real: latents (N, 1 + H, D), the start first.
        predicted: latents (N, H, D).
        steps: steps ahead.
    """
    error = np.square(predicted[:, steps - 1] - real[:, steps]).sum(axis=-1).mean()
    return float(error / np.square(real[:, steps] - real[:, 0]).sum(axis=-1).mean())


def static_share(tokens: Floats) -> float:
    """Fraction of the variance of tokens (n, P, D) about each channel's mean that is constant over frames.

    A model that copies the last frame explains that much. It is 0 for latents without patches, (n, D).
    """
    patches = tokens.reshape(len(tokens), -1, tokens.shape[-1])
    moving = np.square(patches - patches.mean(axis=0)).sum()
    return float(1 - moving / np.square(patches - patches.mean(axis=(0, 1))).sum())


def probe(z: Floats, target: Floats, episode: NDArray[np.int64]) -> tuple[Floats, float]:
    """Ridge regression of `target` (n, k) on `z` (n, D), fitted on even and evaluated on odd episodes.

    Returns:
        R^2 of each of the k components, and the RMS length of the error vector.
    """
    fit, held = episode % 2 == 0, episode % 2 == 1
    mean, std = z[fit].mean(axis=0), z[fit].std(axis=0) + 1e-8
    x = ((z - mean) / std).astype(np.float64)
    centre = target[fit].mean(axis=0)
    penalty = RIDGE * fit.sum() * np.eye(x.shape[1])
    weights = np.linalg.solve(x[fit].T @ x[fit] + penalty, x[fit].T @ (target[fit] - centre))
    error = x[held] @ weights + centre - target[held]
    r2 = 1.0 - np.square(error).mean(axis=0) / target[held].var(axis=0)
    return r2, float(np.sqrt(np.square(error).sum(axis=1).mean()))
