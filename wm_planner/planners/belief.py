"""What a node of a search tree knows of the state: one latent in each of the futures that are imagined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import policy_of
from wm_planner.planners.problem import Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Belief:
    """The state at a node in K futures, which differ in the draws of the model's noise; one if it is calm.

    Attributes:
        latent: arrays (K, ...); those that all candidates share, (1, ...).
        alive: probability in each future that the episode has not ended before, (K,).
        depth: steps from the root.
    """

    latent: Latent
    alive: Floats
    depth: int

    @classmethod
    def root(cls, problem: Problem) -> "Belief":
        """The latent of a problem in each of its futures, with caches, which start as zeros."""
        count = 1 if problem.futures is None else problem.futures.count
        specs = problem.model.card.latents
        empty = {spec.name: np.zeros((1, *spec.shape), spec.dtype) for spec in specs if spec.role == "cache"}
        shared = {spec.name for spec in specs if spec.role == "shared"}
        latent = {
            name: array if name in shared else np.repeat(array, count, axis=0)
            for name, array in {**empty, **problem.latent}.items()
        }
        return cls(latent, np.ones(count), 0)

    @property
    def weights(self) -> Floats:
        """Share of each future in means over those in which the episode goes on, (K,)."""
        total = self.alive.sum()
        return self.alive / total if total > 0 else np.full(len(self.alive), 1 / len(self.alive))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one step from a belief, as means over its futures.

    Attributes:
        after: the belief that it leads to.
        reward: of the step.
        goes_on: probability that the episode goes on.
        value: of what follows; 0 if the model predicts none.
    """

    after: Belief
    reward: float
    goes_on: float
    value: float


def step(
    problems: Sequence[Problem], beliefs: Sequence[Belief], choices: Sequence[int], horizon: int
) -> list[Outcome]:
    """One step in every tree, by one call of the model.

    Args:
        problems: of one model, one per tree.
        beliefs: one per problem.
        choices: one per problem.
        horizon: of the plans, for which the futures are drawn.
    """
    counts = [len(belief.alive) for belief in beliefs]
    actions = np.repeat(np.array(choices, np.float32), counts)[:, None]
    noise = _noise(problems, beliefs, horizon)
    model, latent = problems[0].model, stacked([belief.latent for belief in beliefs])
    moved, outputs = model.step(latent, actions, noise) if noise else model.step(latent, actions)
    found, done = [], 0
    for belief, count in zip(beliefs, counts, strict=True):
        own = slice(done, done + count)
        done += count
        said = {name: np.asarray(array[own], float) for name, array in outputs.items()}
        goes_on = said.get("continue", np.ones(count))
        moved_on = {**belief.latent, **{name: array[own] for name, array in moved.items()}}
        after = Belief(moved_on, belief.alive * goes_on, belief.depth + 1)
        found.append(
            Outcome(
                after,
                reward=float(belief.weights @ said["reward"]),
                goes_on=float(belief.weights @ goes_on),
                value=float(after.weights @ said["value"]) if "value" in said else 0.0,
            )
        )
    return found


def logits(problems: Sequence[Problem], beliefs: Sequence[Belief]) -> Floats:
    """Logits (B, n) of the policy at one belief per problem; zeros if the model has no policy.

    Those of several futures are of the mean of the policy's probabilities.
    """
    policy = policy_of(problems[0].model)
    if policy is None:
        return np.zeros((len(problems), problems[0].space.choices))
    latents = [belief.latent for belief in beliefs]
    if policy.card.policy is not None and policy.card.policy.goal:  # of which every problem has its own
        pairs = zip(problems, latents, strict=True)
        said = [policy.act(latent, problem.context.goal_latent) for problem, latent in pairs]
        given = np.concatenate(said).astype(float)
    else:
        given = np.asarray(policy.act(stacked(latents)), float)
    ends = np.cumsum([len(belief.alive) for belief in beliefs])[:-1]
    rows = zip(np.split(given, ends), beliefs, strict=True)
    return np.stack([_mixed(own, belief.weights) for own, belief in rows])


def stacked(latents: Sequence[Latent]) -> Latent:
    """Latents (K, ...) of B trees as one (B * K, ...)."""
    if len(latents) == 1:
        return latents[0]
    return {name: np.concatenate([latent[name] for latent in latents]) for name in latents[0]}


def _noise(
    problems: Sequence[Problem], beliefs: Sequence[Belief], horizon: int
) -> dict[str, NDArray[np.float32]]:
    """The draws (B * K, ...) of the next step of every belief; none for calm noise."""
    drawn = [
        {name: array[:, belief.depth] for name, array in problem.futures.noise(horizon).items()}
        for problem, belief in zip(problems, beliefs, strict=True)
        if problem.futures is not None
    ]
    return {name: np.concatenate([each[name] for each in drawn]) for name in drawn[0]} if drawn else {}


def _mixed(given: Floats, weights: Floats) -> Floats:
    """The logits (n,) of a mixture of K policies with `given` logits (K, n)."""
    if len(given) == 1:
        row: Floats = given[0]
        return row
    chances = np.exp(given - given.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        mixed: Floats = np.log(weights @ chances)
    return np.maximum(mixed, np.log(np.finfo(float).tiny))
