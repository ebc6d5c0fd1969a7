"""What each step of a rollout costs, by its place in the rollout."""

import time

import numpy as np

from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel


def step_times_ms(model: WorldModel, horizon: int, candidates: int, repeats: int) -> list[float]:
    """The median CPU time of step 1 to `horizon` for `candidates` at once, from a black picture."""
    seen, action = model.card.observation, model.card.action
    picture = np.zeros((seen.height, seen.width, 3), np.uint8)
    start = model.encode(Observation(dict.fromkeys(seen.cameras, picture)))
    start = {name: np.repeat(array, candidates, axis=0) for name, array in start.items()}
    actions = np.random.default_rng(0).uniform(action.low, action.high, (candidates, len(action.names)))
    took_ms = np.empty((repeats, horizon))
    for repeat in range(repeats):
        now: Latent = start
        for step in range(horizon):
            began = time.process_time()
            now, _ = model.step(now, actions)
            took_ms[repeat, step] = 1000 * (time.process_time() - began)
    medians: list[float] = np.median(took_ms, axis=0).tolist()
    return medians
