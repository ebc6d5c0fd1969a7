"""Planning with arrays that stand for a graph's values: what a planner does with them becomes the graph.

The planners' own searches run here, over the costs' own functions; both are written in the array API, and
ndonnx is a namespace of it. What is added is what a graph has instead of a number that Python could look at.
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

Draw: TypeAlias = Callable[[np.random.Generator], Actions]

UNTRACEABLE = (AttributeError, IndexError, NotImplementedError, TypeError, ValueError)
"""What ndonnx raises where a graph has no value to look at, or it lacks a function."""


def traced_plan(
    planner: SamplingPlanner, problem: Problem, noise: "Noise", warm_start: Array, proposals: Array
) -> Plan:
    """What `planner.plan` gives, as arrays of the graph.

    Args:
        planner: any that samples.
        problem: over a `TracedModel`, its latent and context arrays of the graph.
        noise: in place of the random generator.
        warm_start: (H, A).
        proposals: (M, H, A).
    """
    search = TracedSearch(
        problem, planner.horizon, planner.curve, warm_start, proposals, None, CallDurations()
    )
    run = planner.search(search, noise)  # type: ignore[arg-type]  # all it is asked for are noise arrays
    none = proposals[:0, ...]  # hides the number of candidates: with it, ONNX Runtime is a tenth slower
    try:
        candidates = next(run)
        while True:
            rollout = problem.model.rollout(problem.latent, ndonnx.concat([candidates, none]))
            candidates = run.send(problem.score(rollout, candidates))
    except StopIteration as end:
        plan: Plan = end.value
        return plan


class TracedSearch(Search):
    """A search that keeps the better of two by a node of the graph, and counts nothing.

    Shapes that ndonnx does not follow through a product or a choice of rows are given back to it.
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
        """(...) or (N, ...) of the shape (...)."""
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
    """The world model whose rollouts are the bundle's, as a part of the graph."""

    def __init__(self, card: Card, step: ModelProto) -> None:
        self.card = card
        self._graph = rollout_graph(step, card)

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine `actions` (N, H, A) from `latent` (1, ...)."""
        graph = spox.inline(self._graph)
        variables = {name: array.unwrap_spox() for name, array in {**latent, ACTIONS: actions}.items()}
        given = {name: ndonnx.asarray(variable) for name, variable in graph(**variables).items()}
        latents = {name.removeprefix(LATENT): a for name, a in given.items() if name.startswith(LATENT)}
        outputs = {name.removeprefix(OUTPUT): a for name, a in given.items() if name.startswith(OUTPUT)}
        physical = [spec.name for spec in self.card.latents if spec.unit is not None]
        return Rollout(latents, {name: latents[name] for name in physical}, outputs)


class Noise:
    """One input of the graph in place of the random generator: what is drawn are its rows, in order.

    Attributes:
        kind: "normal" or "uniform" in [0, 1).
        shape: of the input, (rows, knots, A), once all is drawn.
        array: the input, None before anything is drawn.
    """

    def __init__(self) -> None:
        self.kind = "normal"
        self.array: Any = None
        self.shape: tuple[int, ...] = (0,)
        self._draws: list[Draw] = []

    def standard_normal(self, size: tuple[int, ...], dtype: type = np.float32) -> Array:
        """Rows of normal noise, as `numpy.random.Generator` gives them."""
        return self._drawn("normal", size, lambda rng: rng.standard_normal(size, dtype=np.float32))

    def normal(self, size: tuple[int, ...]) -> Array:
        """Rows of normal noise, as `wm_planner.planners.noise` gives them."""
        return self._drawn("normal", size, lambda rng: normal(rng, size))

    def random(self, size: tuple[int, ...], dtype: type = np.float32) -> Array:
        """Rows of uniform noise."""
        return self._drawn("uniform", size, lambda rng: rng.random(size, dtype=np.float32))

    def of(self, seed: Any) -> Actions:
        """The rows that the Python planner draws from a generator of this seed."""
        rng = np.random.default_rng(seed)
        return np.concatenate([draw(rng) for draw in self._draws])

    def _drawn(self, kind: str, size: tuple[int, ...], draw: Draw) -> Array:
        if self.array is None:
            self.kind = kind
            self.array = ndonnx.argument(shape=("rows", *size[1:]), dtype=ndonnx.float32)
        if (kind, size[1:]) != (self.kind, tuple(self.array.shape[1:])):
            raise ConfigError("a planner that draws noise of several kinds or shapes cannot be exported")
        self._draws.append(draw)
        first, last = self.shape[0], self.shape[0] + size[0]
        self.shape = (last, *size[1:])
        return self.array[first:last, ...]


@dataclass(frozen=True, slots=True)
class TracedCost:
    """A cost that says so where it cannot be traced."""

    name: str
    cost: Cost

    @property
    def requires(self) -> frozenset[str]:
        """What it reads."""
        return self.cost.requires

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        try:
            return self.cost(rollout, actions, context)
        except UNTRACEABLE as error:
            raise ConfigError(
                f"cost '{self.name}' cannot be written as a graph ({error}): leave it out, or write it in "
                "functions of the array API that look at no values"
            ) from error


def traced_costs(costs: Sequence[WeightedCost]) -> list[WeightedCost]:
    """The costs, each with its name in its errors."""
    return [replace(cost, cost=TracedCost(cost.name, cost.cost)) for cost in costs]
