"""Small decision processes whose optimal values are known, as world models of discrete actions."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import ActionSpec, Card, LatentSpec, ObservationSpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.costs import build_costs
from wm_planner.planners.problem import Problem

Floats = NDArray[np.float64]

DISCOUNT = 0.9


class DecisionProcess:
    """A random table of transitions, then deterministic, with normal rewards.

    Args:
        seed: of the table.
        states: S.
        choices: n.
        value: makes what the model says of the optimal values (S,); None says them as they are.

    Attributes:
        next, reward: of every choice in every state, (S, n).
        optimal: value of every state, (S,).
        steps: calls of `step`.
    """

    def __init__(
        self,
        seed: int,
        states: int = 12,
        choices: int = 4,
        value: Callable[[Floats, np.random.Generator], Floats] | None = None,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.next = rng.integers(states, size=(states, choices))
        self.reward = rng.standard_normal((states, choices))
        self.optimal = np.zeros(states)
        for _ in range(400):  # 0.9^400 is nothing
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

    def q(self) -> Floats:
        """The optimal return of every choice in every state, (S, n)."""
        returns: Floats = self.reward + DISCOUNT * self.optimal[self.next]
        return returns

    def problem(self, state: int = 0, costs: Sequence[str] = ("reward", "value")) -> Problem:
        """The problem of a state, with the model's own costs."""
        specs = [{"type": name, "discount": DISCOUNT} for name in costs]
        return Problem(self, {"state": np.full((1, 1), state)}, build_costs(specs, "costs"), Context())

    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        """The state as it is."""
        return {"state": np.asarray(observation.state["state"], np.float32).reshape(1, 1)}

    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """One step of N states, with its reward and the value of where it leads."""
        self.steps += 1
        state, choice = latent["state"][:, 0].astype(int), np.asarray(action)[:, 0].astype(int)
        after = self.next[state, choice]
        outputs = {"reward": self.reward[state, choice], "value": self.value[after]}
        return {"state": after[:, None].astype(np.float32)}, outputs

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine `actions` (N, H, 1) from one state, or N of them."""
        now: Latent = {"state": np.broadcast_to(latent["state"], (len(actions), 1))}
        given = []
        for h in range(actions.shape[1]):
            now, outputs = self.step(now, actions[:, h])
            given.append(outputs)
        return Rollout({}, {}, {name: np.stack([each[name] for each in given], axis=1) for name in given[0]})
