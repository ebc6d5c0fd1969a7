"""Tracing of planners: run their search on symbolic arrays, so that the operations become an ONNX graph.

Planners and costs are written in the array API, which ndonnx implements with symbolic arrays, so both run
here unchanged. This module replaces only the steps that would need concrete values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import ndonnx
import numpy as np
import spox
from onnx import ModelProto

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import Cost, WeightedCost
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.errors import ConfigError
from wm_planner.planners.action_space import Actions
from wm_planner.planners.base import Plan
from wm_planner.planners.call_durations import CallDurations
from wm_planner.planners.noise import normal
from wm_planner.planners.problem import Problem, Scores
from wm_planner.planners.sampling import SamplingPlanner
from wm_planner.planners.search import Best, Search
from wm_planner.world_models.onnx.rollout_graph import (
    ACTIONS,
    LATENT,
    OUTPUT,
    rollout_graph,
)
from wm_planner.world_models.onnx.signature import NOISE

Draw: TypeAlias = Callable[[np.random.Generator], Actions]

UNTRACEABLE = (AttributeError, IndexError, NotImplementedError, TypeError, ValueError)
"""What ndonnx raises where code needs a concrete value, or a function is missing."""


def traced_plan(
    planner: SamplingPlanner, problem: Problem, noise: "Noise", warm_start: Array, proposals: Array
) -> Plan:
    """The result of `planner.plan`, as symbolic arrays.

    Args:
        planner: any sampling planner.
        problem: over a `TracedModel`, with a symbolic latent and context.
        noise: replaces the random generator.
        warm_start: (H, A).
        proposals: (M, H, A).
    """
    search = TracedSearch(
        problem, planner.horizon, planner.curve, warm_start, proposals, None, CallDurations()
    )
    run = planner.search(search, noise)  # type: ignore[arg-type]  # planners only draw noise arrays from it
    none = proposals[:0, ...]  # hides the number of candidates, which would make ONNX Runtime 10 % slower
    try:
        candidates = next(run)
        while True:
            rollout = problem.model.rollout(problem.latent, ndonnx.concat([candidates, none]))
            candidates = run.send(problem.score(rollout, candidates))
    except StopIteration as end:
        plan: Plan = end.value
        return plan


class TracedSearch(Search):
    """A search that selects the better candidate with a graph node and does not count evaluations.

    It restores the static shapes that ndonnx loses in matrix products and row selections.
    """

    def actions(self, knots: Actions) -> Actions:
        plans: Actions = self._shaped(super().actions(knots), self.start.shape)
        return plans

    def knots(self, actions: Actions) -> Actions:
        shape = (self._curve.knots, self.space.size)
        knots: Actions = self._shaped(super().knots(actions), shape)
        return knots

    def normal(self, rng: Any, count: int) -> Actions:
        drawn: Actions = rng.normal((count, *self.low.shape))
        return drawn

    def plan(self, spread: Actions, elites: Actions | None = None) -> Plan:
        best = self._best
        average: Any = ndonnx.mean(ndonnx.asarray(spread), axis=0)
        if elites is not None:
            elites = self._shaped(elites, self.start.shape)
        return Plan(best.actions, best.row[0, ...], best.terms, spread=average, elites=elites)

    @staticmethod
    def _shaped(array: Array, shape: tuple[int, ...]) -> Array:
        """`array` (...) or (N, ...) with the static shape `shape` (...)."""
        leading = (-1,) * (array.ndim - len(shape))
        return ndonnx.reshape(array, (*leading, *shape))

    def _row(self, values: Array, at: Array) -> Array:
        return ndonnx.take(values, ndonnx.reshape(at, (1,)), axis=0)[0, ...]

    def _better(self, found: Best, best: Best) -> Best:
        is_better = found.rank < best.rank

        def either(new: Array, old: Array) -> Array:
            return ndonnx.where(is_better, new, old)

        terms = {name: either(term, best.terms.get(name, term)) for name, term in found.terms.items()}
        return Best(
            either(found.actions, best.actions),
            either(found.rank, best.rank),
            either(found.row, best.row),
            terms,
        )

    def _count(self, scores: Scores) -> None:
        pass

    def _checked(self, what: str, given: Array, wanted: tuple[int | str, ...]) -> Actions:
        return given  # type: ignore[no-any-return]


class TracedModel:
    """A world model whose rollouts, with calm noise, are inlined into the graph."""

    def __init__(self, card: Card, step: ModelProto) -> None:
        self.card = card
        self._graph = rollout_graph(step, card)

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine `actions` (N, H, A) from `latent` (1, ...)."""
        graph = spox.inline(self._graph)
        steps = [spec for spec in self.card.noise if spec.graph == "step"]
        calm = {
            NOISE + spec.name: ndonnx.asarray(
                np.full((1, actions.shape[1], *spec.shape), spec.calm, np.float32)
            )
            for spec in steps
        }
        feed = {**latent, **calm, ACTIONS: actions}
        variables = {name: array.unwrap_spox() for name, array in feed.items()}
        arrays = {name: ndonnx.asarray(variable) for name, variable in graph(**variables).items()}
        latents = {name.removeprefix(LATENT): a for name, a in arrays.items() if name.startswith(LATENT)}
        outputs = {name.removeprefix(OUTPUT): a for name, a in arrays.items() if name.startswith(OUTPUT)}
        physical = [spec.name for spec in self.card.latents if spec.unit is not None]
        return Rollout(latents, {name: latents[name] for name in physical}, outputs)


class Noise:
    """Replaces the random generator by one graph input, whose rows are handed out in order.

    Attributes:
        kind: "normal", or "uniform" in [0, 1).
        shape: of the input, (rows, knots, A), after the search.
        array: the input; None before the first draw.
    """

    def __init__(self) -> None:
        self.kind = "normal"
        self.array: Any = None
        self.shape: tuple[int, ...] = (0,)
        self._draws: list[Draw] = []

    def standard_normal(self, size: tuple[int, ...], dtype: type = np.float32) -> Array:
        """Rows of normal noise, in place of `numpy.random.Generator.standard_normal`."""
        return self._drawn("normal", size, lambda rng: rng.standard_normal(size, dtype=np.float32))

    def normal(self, size: tuple[int, ...]) -> Array:
        """Rows of normal noise, in place of `wm_planner.planners.noise.normal`."""
        return self._drawn("normal", size, lambda rng: normal(rng, size))

    def random(self, size: tuple[int, ...], dtype: type = np.float32) -> Array:
        """Rows of uniform noise."""
        return self._drawn("uniform", size, lambda rng: rng.random(size, dtype=np.float32))

    def rows(self, seed: Any) -> Actions:
        """The rows that the Python planner draws from a generator with this seed."""
        return self.draw(np.random.default_rng(seed))

    def draw(self, rng: np.random.Generator) -> Actions:
        """The rows that the Python planner draws from a generator."""
        return np.concatenate([draw(rng) for draw in self._draws])

    def _drawn(self, kind: str, size: tuple[int, ...], draw: Draw) -> Array:
        if self.array is None:
            self.kind = kind
            self.array = ndonnx.argument(shape=("rows", *size[1:]), dtype=ndonnx.float32)
        if (kind, size[1:]) != (self.kind, tuple(self.array.shape[1:])):
            raise ConfigError("a planner that draws noise of different kinds or shapes cannot be exported")
        self._draws.append(draw)
        first, last = self.shape[0], self.shape[0] + size[0]
        self.shape = (last, *size[1:])
        return self.array[first:last, ...]


@dataclass(frozen=True, slots=True)
class TracedCost:
    """A cost that explains errors of its tracing."""

    name: str
    cost: Cost

    @property
    def requires(self) -> frozenset[str]:
        """See `Cost.requires`."""
        return self.cost.requires

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        try:
            return self.cost(rollout, actions, context)
        except UNTRACEABLE as error:
            raise ConfigError(
                f"cost '{self.name}' cannot be written as a graph ({error}): leave it out, or write it in "
                "functions of the array API that need no concrete values"
            ) from error


def traced_costs(costs: Sequence[WeightedCost]) -> list[WeightedCost]:
    """The costs, with tracing errors that name them."""
    return [replace(cost, cost=TracedCost(cost.name, cost.cost)) for cost in costs]
