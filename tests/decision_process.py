"""Small decision processes with known optimal values, as world models of discrete actions."""

import numpy as np

from wm_planner.costs import build_costs
from wm_planner.costs.base import Context, Rollout
from wm_planner.planners.problem import Problem
from wm_planner.world_models.card import ActionSpec, Card, LatentSpec, ObservationSpec

DISCOUNT = 0.9


class DecisionProcess:
    """Random, then deterministic: S states, n choices, normal rewards; values are exact unless told."""

    def __init__(self, seed, states=12, choices=4, value=None):
        rng = np.random.default_rng(seed)
        self.next = rng.integers(states, size=(states, choices))
        self.reward = rng.standard_normal((states, choices))
        self.optimal = np.zeros(states)
        for _ in range(400):
            self.optimal = self.q().max(axis=1)
        self.value = self.optimal if value is None else value(self.optimal, rng)
        self.steps = 0
        self.card = Card(
            name="process",
            family="table",
            about="a table of transitions",
            observation=ObservationSpec(),
            action=ActionSpec(
                names=("choice",), units=("",), low=(0.0,), high=(choices - 1.0,), choices=choices
            ),
            control_dt_s=1.0,
            latents=(LatentSpec(name="state", shape=(1,)),),
            capabilities=("reward", "value"),
        )

    def q(self):
        """Optimal value of every choice in every state."""
        return self.reward + DISCOUNT * self.optimal[self.next]

    def step(self, latent, action, noise=None):
        self.steps += 1
        state, choice = latent["state"][:, 0].astype(int), np.asarray(action)[:, 0].astype(int)
        after = self.next[state, choice]
        outputs = {"reward": self.reward[state, choice], "value": self.value[after]}
        return {"state": after[:, None].astype(np.float32)}, outputs

    def rollout(self, latent, actions, noise=None):
        now = {"state": np.broadcast_to(latent["state"], (len(actions), 1))}
        given = []
        for step in range(actions.shape[1]):
            now, outputs = self.step(now, actions[:, step])
            given.append(outputs)
        stacked = {name: np.stack([each[name] for each in given], axis=1) for name in given[0]}
        return Rollout({}, {}, stacked)

    def problem(self, state=0, costs=("reward", "value")):
        specs = [{"type": name, "discount": DISCOUNT} for name in costs]
        return Problem(self, {"state": np.full((1, 1), state)}, build_costs(specs, "costs"), Context())
