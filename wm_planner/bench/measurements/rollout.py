"""CPU time of each step of a rollout, by its position in the rollout."""

import time

import numpy as np

from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.task import Goal
from wm_planner.contracts.world_model import WorldModel


def step_times_ms(model: WorldModel, horizon: int, candidates: int, repeats: int) -> list[float]:
    """Median CPU time of steps 1 to `horizon` for a batch of candidates, from a black image."""
    images, action = model.card.observation, model.card.action
    black = np.zeros((images.height, images.width, 3), np.uint8)
    start = model.encode(Goal(dict.fromkeys(images.cameras, black)))
    start = {name: np.repeat(array, candidates, axis=0) for name, array in start.items()}
    actions = np.random.default_rng(0).uniform(action.low, action.high, (candidates, len(action.names)))
    times_ms = np.empty((repeats, horizon))
    for repeat in range(repeats):
        now: Latent = start
        for step in range(horizon):
            started = time.process_time()
            now, _ = model.step(now, actions)
            times_ms[repeat, step] = 1000 * (time.process_time() - started)
    medians: list[float] = np.median(times_ms, axis=0).tolist()
    return medians
