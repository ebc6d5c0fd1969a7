"""Exploration of yards: smooth random motion, half of the time towards a place that it then rests at."""

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

    def episode(self, seed: int, steps: int) -> Episode:
        """The episode of `seed`; all of its pictures are drawn at once."""
        config, rng = self._config, np.random.default_rng([seed, 1])
        yards = Yards.sample(config.level, np.random.default_rng(seed))
        limit = largest_action(config.level)
        place, noise = yards.goal[0], rng.standard_normal(2)
        positions, velocities, actions, rewards = [], [], [], []
        for step in range(steps):
            positions.append(yards.position[0])
            velocities.append(yards.velocity[0])
            if seed % 2:
                if step and step % PATIENCE == 0 and rng.random() < 0.5:
                    place = rng.uniform(DISC_M, SIDE_M - DISC_M, 2)
                action = towards(place, yards, config.level) + 0.15 * limit * noise
            else:
                action = 0.8 * limit * noise
            actions.append(np.clip(action, -limit, limit).astype(np.float32))
            rewards.append(yards.step(actions[-1][None].astype(np.float64))[0])
            noise = MEMORY * noise + np.sqrt(1 - MEMORY**2) * rng.standard_normal(2)
        positions.append(yards.position[0])
        velocities.append(yards.velocity[0])
        place_of_ring = np.repeat(yards.goal, steps + 1, axis=0)
        seen = Yards(config.level, np.array(positions), np.array(velocities), place_of_ring)
        truncated = np.zeros(steps + 1, bool)
        truncated[steps - 1] = steps >= STEPS
        return Episode(
            images=seen.pictures(config.size_px)[:, None],
            state=np.concatenate([seen.position, seen.velocity], axis=1).astype(np.float32),
            action=np.array([*actions, np.zeros(2)], np.float32),
            signals={
                "reward": np.array([*rewards, 0.0], np.float32),
                "terminated": np.zeros(steps + 1, bool),
                "truncated": truncated,
            },
        )


def towards(place: Floats, yards: Yards, level: Level) -> Floats:
    """The action (2,) that brings the disc of one yard to a place (2,) in m, and lets it rest there."""
    off = place - yards.position[0]
    limit = largest_action(level)
    if level == "point":
        displacement: Floats = np.clip(off, -limit, limit)
        return displacement
    velocity = yards.velocity[0]
    wanted = _GAIN * off - _DAMPING * velocity  # m/s^2, next to what friction does
    friction = (1 - GLIDE) / CONTROL_DT_S * velocity
    acceleration: Floats = np.clip(wanted + friction, -limit, limit)
    return acceleration
