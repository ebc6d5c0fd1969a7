"""Small Markov decision processes with known optimal values, as world models with discrete actions."""

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
    """A random but deterministic transition table with normally distributed rewards.

    Args:
        seed: seeds the table.
        states: number of states, S.
        choices: number of actions, n.
        value: turns the optimal values (S,) into the values that the model predicts; exact by default.

    Attributes:
        next, reward: next state and reward of every action in every state, (S, n).
        optimal: optimal value of every state, (S,).
        steps: number of calls of `step`.
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
        for _ in range(400):  # 0.9^400 is negligible
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
        """Optimal action values, (S, n)."""
        returns: Floats = self.reward + DISCOUNT * self.optimal[self.next]
        return returns

    def problem(self, state: int = 0, costs: Sequence[str] = ("reward", "value")) -> Problem:
        """The planning problem from a state, with the model's own costs."""
        specs = [{"type": name, "discount": DISCOUNT} for name in costs]
        return Problem(self, {"state": np.full((1, 1), state)}, build_costs(specs, "costs"), Context())

    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        """The state itself."""
        return {"state": np.asarray(observation.state["state"], np.float32).reshape(1, 1)}

    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """One step of N states, with rewards and the values of the next states."""
        self.steps += 1
        state, choice = latent["state"][:, 0].astype(int), np.asarray(action)[:, 0].astype(int)
        next_state = self.next[state, choice]
        outputs = {"reward": self.reward[state, choice], "value": self.value[next_state]}
        return {"state": next_state[:, None].astype(np.float32)}, outputs

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Roll out `actions` (N, H, 1) from one state or from N."""
        now: Latent = {"state": np.broadcast_to(latent["state"], (len(actions), 1))}
        steps = []
        for h in range(actions.shape[1]):
            now, outputs = self.step(now, actions[:, h])
            steps.append(outputs)
        return Rollout({}, {}, {name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]})
