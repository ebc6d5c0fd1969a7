"""A tiny data set with the arrays of a real one: a dot seen by two cameras from two sides."""

import dataclasses
from pathlib import Path

import msgspec
import numpy as np

from wm_planner.contracts.dataset import REWARD, TERMINATED, Episode, Meta, Signal
from wm_planner.contracts.quantity import Quantity
from wm_planner.data.episode_writer import EpisodeWriter
from wm_planner.data.episodes import EpisodeData

SIDE = 16
BOX_M = 0.4


def meta_of(seed: int, episodes: int, steps: int) -> Meta:
    """The meta data of the dot."""
    return Meta(
        scene="dot",
        revision="none",
        first_seed=seed,
        seeds_tried=episodes,
        rejected={},
        episodes=episodes,
        steps=steps,
        cameras=("front", "side"),
        image_size=(SIDE, SIDE),
        state=(
            Quantity(name="mass", size=1, unit="kg"),
            Quantity(name="tcp_position", size=3, unit="m"),
        ),
        action_names=("dx", "dy", "dz"),
        action_units=("m", "m", "m"),
        action_low=(-0.05, -0.05, -0.05),
        action_high=(0.05, 0.05, 0.05),
        control_dt_s=0.2,
    )


def write(path: Path, seed: int, episodes: int = 24, steps: int = 8) -> EpisodeData:
    """Write episodes of a dot that moves at random within the walls of a cube."""
    meta = meta_of(seed, episodes, steps)
    rng = np.random.default_rng(seed)
    with EpisodeWriter(path, meta) as writer:
        for _ in range(episodes):
            writer.add(_episode(rng, steps))
        writer.finish(episodes, {})
    return EpisodeData.open(path)


def write_uneven(path: Path, lengths: tuple[int, ...] = (3, 9, 5), seed: int = 0) -> EpisodeData:
    """Write episodes of `lengths` transitions with rewards and ends, and a text of 4 tokens per frame."""
    signals = (REWARD, TERMINATED, Signal(name="text", shape=(4,), dtype="int64"))
    meta = msgspec.structs.replace(meta_of(seed, len(lengths), max(lengths)), signals=signals)
    rng = np.random.default_rng(seed)
    with EpisodeWriter(path, meta) as writer:
        for steps in lengths:
            episode = _episode(rng, steps)
            ends = np.arange(steps + 1) == steps - 1
            named = {
                "reward": np.where(np.arange(steps + 1) < steps, rng.random(steps + 1), 0).astype(np.float32),
                "terminated": ends,
                "text": rng.integers(100, size=(steps + 1, 4)),
            }
            writer.add(dataclasses.replace(episode, signals=named))
        writer.finish(len(lengths), {})
    return EpisodeData.open(path)


def picture(x_m: float, y_m: float) -> np.ndarray:
    """A blurred white dot on grey, (SIDE, SIDE, 3) uint8."""
    row, column = (2 + v / BOX_M * (SIDE - 5) for v in (x_m, y_m))
    i = np.arange(SIDE)
    dot = np.exp(-((i[:, None] - row) ** 2 + (i - column) ** 2) / 4.0)
    return np.repeat((60 + 195 * dot).astype(np.uint8)[..., None], 3, axis=-1)


def _episode(rng: np.random.Generator, steps: int) -> Episode:
    actions = rng.uniform(-0.05, 0.05, (steps + 1, 3)).astype(np.float32)
    actions[-1] = 0.0
    positions = [rng.uniform(0, BOX_M, 3)]
    for action in actions[:-1]:
        positions.append(np.clip(positions[-1] + action, 0, BOX_M))
    return Episode(
        images=np.stack([np.stack([picture(x, z), picture(y, z)]) for x, y, z in positions]),
        state=np.stack([[1.0, *position] for position in positions]).astype(np.float32),
        action=actions,
    )
