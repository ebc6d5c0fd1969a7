"""Exploration of yards: smooth random motion, half of the time towards a place that it then rests at."""

from collections.abc import Sequence

import numpy as np

from wm_planner.collection import RandomExplorer
from wm_planner.contracts.dataset import REWARD, TERMINATED, TRUNCATED, Episode
from wm_planner.sprites.simulation.simulator import SpriteScene, SpriteSimulator
from wm_planner.sprites.simulation.yard import (
    CONTROL_DT_S,
    DISC_M,
    GLIDE,
    SIDE_M,
    STEPS,
    Floats,
    Level,
    Yards,
    drawn,
    largest_action,
)

MEMORY = 0.8
"""Correlation of the random motion from step to step."""

PATIENCE = 10
"""Steps after which a disc that seeks is given another place."""

_GAIN, _DAMPING = 16.0, 7.0  # of the acceleration towards a place, 1/s^2 and 1/s


class SpriteExplorer(RandomExplorer):
    """Explores a yard; see `collection.base.Explorer`.

    Even seeds move at random. Odd seeds seek places, the goal first, so that models see the disc at rest in
    the ring.
    """

    state = SpriteScene.state
    signals = (REWARD, TERMINATED, TRUNCATED)
    reason = "none"

    Config = SpriteSimulator.Config

    def __init__(self, config: SpriteSimulator.Config) -> None:
        super().__init__(SpriteSimulator(config))
        self._config = config

    def episode(self, seed: int, steps: int) -> Episode | None:
        """The episode of `seed`."""
        return self.episodes([seed], steps)[0]

    def episodes(self, seeds: Sequence[int], steps: int) -> list[Episode | None]:
        """The episodes of several seeds, N of which are moved and drawn at once.

        Each is equal to that of its seed alone.
        """
        config, count = self._config, len(seeds)
        yards = _yards(config.level, seeds)
        motion = _Motion(seeds, yards, config.level)
        positions, velocities = np.empty((2, steps + 1, count, 2))
        actions = np.zeros((steps + 1, count, 2), np.float32)
        rewards = np.zeros((steps + 1, count), np.float32)
        for step in range(steps):
            positions[step], velocities[step] = yards.position, yards.velocity
            actions[step] = motion.action(step)
            rewards[step] = yards.step(actions[step].astype(np.float64))
        positions[steps], velocities[steps] = yards.position, yards.velocity
        truncated = np.zeros(steps + 1, bool)
        truncated[steps - 1] = steps >= STEPS
        rings = np.repeat(yards.goal[None], steps + 1, axis=0)
        pictures = drawn(positions.reshape(-1, 2), rings.reshape(-1, 2), config.size_px)
        images = pictures.reshape(steps + 1, count, 1, *pictures.shape[1:])
        state = np.concatenate([positions, velocities], axis=-1).astype(np.float32)
        return [
            Episode(
                images=np.ascontiguousarray(images[:, i]),
                state=np.ascontiguousarray(state[:, i]),
                action=np.ascontiguousarray(actions[:, i]),
                signals={
                    "reward": np.ascontiguousarray(rewards[:, i]),
                    "terminated": np.zeros(steps + 1, bool),
                    "truncated": truncated,
                },
            )
            for i in range(count)
        ]


class _Motion:
    """The actions of N discs, each drawn from a generator of its own."""

    def __init__(self, seeds: Sequence[int], yards: Yards, level: Level) -> None:
        self._rngs = [np.random.default_rng([seed, 1]) for seed in seeds]
        self._yards, self._level = yards, level
        self._seeks = np.array([seed % 2 == 1 for seed in seeds])
        self._places, self._noise = yards.goal.copy(), self._draw()

    def action(self, step: int) -> Floats:
        """The actions (N, 2) of a step, within their bounds."""
        if step and step % PATIENCE == 0:
            for i in np.flatnonzero(self._seeks):
                if self._rngs[i].random() < 0.5:
                    self._places[i] = self._rngs[i].uniform(DISC_M, SIDE_M - DISC_M, 2)
        limit = largest_action(self._level)
        sought = towards(self._places, self._yards, self._level) + 0.15 * limit * self._noise
        action = np.where(self._seeks[:, None], sought, 0.8 * limit * self._noise)
        self._noise = MEMORY * self._noise + np.sqrt(1 - MEMORY**2) * self._draw()
        return np.clip(action, -limit, limit)

    def _draw(self) -> Floats:
        return np.stack([rng.standard_normal(2) for rng in self._rngs])


def _yards(level: Level, seeds: Sequence[int]) -> Yards:
    """The yards of the episodes of some seeds."""
    alone = [Yards.sample(level, np.random.default_rng(seed)) for seed in seeds]
    position = np.concatenate([each.position for each in alone])
    return Yards(level, position, np.zeros_like(position), np.concatenate([each.goal for each in alone]))


def towards(place: Floats, yards: Yards, level: Level) -> Floats:
    """The actions (N, 2) that bring the discs of N yards to places (N, 2) in m, and let them rest there."""
    off = place - yards.position
    limit = largest_action(level)
    if level == "point":
        displacement: Floats = np.clip(off, -limit, limit)
        return displacement
    velocity = yards.velocity
    wanted = _GAIN * off - _DAMPING * velocity  # m/s^2, next to what friction does
    friction = (1 - GLIDE) / CONTROL_DT_S * velocity
    acceleration: Floats = np.clip(wanted + friction, -limit, limit)
    return acceleration
