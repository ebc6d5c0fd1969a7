"""A bundle whose candidates stay on the device: steps and costs run there, and one value per term returns."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import ndonnx
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.errors import ConfigError
from wm_planner.portable.graph import GOAL, GOAL_LATENT, LAST_ACTION, build_graph
from wm_planner.portable.tracing import traced_costs
from wm_planner.world_models.onnx.inputs import checked_actions, initial_latent, noise_feed
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.rollout_graph import ACTIONS, NEXT, OUTPUT, START, start_graph
from wm_planner.world_models.onnx.session import Graph

PREVIOUS_PLAN = "previous_plan"
_LOG = logging.getLogger(__name__)


class ScoringModel(OnnxWorldModel):
    """An `OnnxWorldModel` that is also `Scoring`: `step.onnx` runs once per step, on arrays on its device.

    The costs are traced into a graph of their own when they are first asked for. Those that cannot be traced,
    or read the domain, are computed on the host from a rollout; so are those of several futures. The log says
    so once per reason.

    Attributes:
        on_host: why costs are computed on the host; empty if they are not.
    """

    on_host = ""

    @cached_property
    def _start(self) -> Graph:
        return self._step.derived(start_graph(self.card).SerializeToString())

    @cached_property
    def _traced(self) -> dict[Any, tuple[Sequence[WeightedCost], Graph | None]]:
        """The costs that were asked for, and their graphs; None for those that are computed on the host."""
        return {}

    def terms(
        self, latent: Latent, actions: Array, costs: Sequence[WeightedCost], context: Context
    ) -> Mapping[str, NDArray[np.float64]] | None:
        """See `Scoring.terms`.

        Raises:
            ShapeError: for arrays whose shape disagrees with the card.
        """
        checked, read = checked_actions(self.card, actions, "NH"), _arrays_of(context)
        shapes = tuple((name, array.shape, array.dtype.name) for name, array in read.items())
        key = (tuple(map(id, costs)), checked.shape[1], shapes)
        if key not in self._traced:  # which keeps the costs, so that their ids stay theirs
            self._traced[key] = costs, self._score_graph(costs, checked.shape[1], context)
        graph = self._traced[key][1]
        if graph is None:
            return None
        feed = {**read, ACTIONS: checked, **self._imagined(latent, checked)}
        terms = graph.run_on_device({name: feed[name] for name in graph.names})
        return {name: array.numpy().astype(np.float64) for name, array in terms.items()}

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        if noise:
            self._compute_on_host("rollouts with drawn noise, for several futures, come back from the device")
        return super().rollout(latent, actions, noise)

    def _imagined(self, latent: Latent, actions: NDArray[np.float32]) -> dict[str, Any]:
        """What `step.onnx` returns at every step, `<output>.<step>`, on the device."""
        count, horizon = actions.shape[:2]
        start = initial_latent(self.card, latent, count)
        noise = noise_feed(self.card, "step", None, count, horizon) if self.card.noise else {}
        calm = {name: np.repeat(array, count, axis=0) for name, array in noise.items()}  # (N, H, ...)
        repeated = self._start.run_on_device({n: ({**start, ACTIONS: actions})[n] for n in self._start.names})
        now: dict[str, Any] = start | {name.removeprefix(START): z for name, z in repeated.items()}
        found: dict[str, Any] = {}
        for step in range(horizon):
            drawn = {name: array[:, step] for name, array in calm.items()}
            after = self._step.run_on_device({**now, "action": actions[:, step], **drawn})
            now |= {name.removeprefix(NEXT): z for name, z in after.items() if name.startswith(NEXT)}
            found |= {f"{name}.{step}": array for name, array in after.items()}
        return found

    def _score_graph(self, costs: Sequence[WeightedCost], horizon: int, context: Context) -> Graph | None:
        """The graph from steps, actions and context to the terms; None, with the reason in `on_host`."""
        if reading := [c.name for c in costs if any("context:domain" in need for need in c.cost.requires)]:
            self._compute_on_host(f"{', '.join(reading)}: a graph would fix what they read of the domain")
            return None
        try:
            return self._step.derived(score_graph(self.card, costs, horizon, context).SerializeToString())
        except ConfigError as error:
            self._compute_on_host(str(error))
            return None

    def _compute_on_host(self, reason: str) -> None:
        if reason != self.on_host:
            self.on_host = reason
            _LOG.warning("%s: costs are computed on the host (%s)", self.card.name, reason)


def score_graph(card: Card, costs: Sequence[WeightedCost], horizon: int, context: Context) -> ModelProto:
    """The graph of costs, (N,) by name, over what `step.onnx` returns at every step.

    Its inputs are those of these that the costs read: `next.<name>.<step>`, (N, ...), `output.<name>.<step>`,
    (N,), `actions`, (N, H, A), `goal.<name>`, `goal_latent.<name>`, `last_action` and `previous_plan`.

    Args:
        card: of the model.
        costs: traced; they see the context as it is.
        horizon: H.
        context: tells which arrays there are, and their shapes.

    Raises:
        ConfigError: for a cost that cannot be traced.
    """
    kept = {NEXT + spec.name: spec for spec in card.latents if spec.role == "candidate"}
    shapes = {name: (spec.shape, spec.dtype) for name, spec in kept.items()}
    shapes |= {OUTPUT + name: ((), "float32") for name in card.step_outputs}
    steps = {
        name: [_argument(("N", *shape), dtype) for _ in range(horizon)]
        for name, (shape, dtype) in shapes.items()
    }
    series = {name: ndonnx.stack(arrays, axis=1) for name, arrays in steps.items()}  # (N, H, ...)
    rollout = Rollout(
        {spec.name: series[name] for name, spec in kept.items()},
        {spec.name: series[name] for name, spec in kept.items() if spec.unit is not None},
        {name: series[OUTPUT + name] for name in card.step_outputs},
    )
    read = {name: _argument(array.shape, array.dtype.name) for name, array in _arrays_of(context).items()}
    actions = _argument(("N", horizon, len(card.action.names)), "float32")
    symbolic = replace(
        context,
        goal={name: read[GOAL + name] for name in context.goal},
        goal_latent=context.goal_latent and {name: read[GOAL_LATENT + name] for name in context.goal_latent},
        last_action=read.get(LAST_ACTION),
        previous_plan=read.get(PREVIOUS_PLAN),
    )
    inputs = {f"{name}.{step}": array for name, each in steps.items() for step, array in enumerate(each)}
    terms = {cost.name: cost.cost(rollout, actions, symbolic) for cost in traced_costs(costs)}
    return build_graph({**inputs, **read, ACTIONS: actions}, terms)


def _arrays_of(context: Context) -> dict[str, NDArray[Any]]:
    """The arrays of a context, by the names of inputs."""
    arrays = {GOAL + name: array for name, array in context.goal.items()}
    arrays |= {GOAL_LATENT + name: array for name, array in (context.goal_latent or {}).items()}
    single = {LAST_ACTION: context.last_action, PREVIOUS_PLAN: context.previous_plan}
    arrays |= {name: array for name, array in single.items() if array is not None}
    return {name: np.asarray(array) for name, array in arrays.items()}


def _argument(shape: tuple[int | str, ...], dtype: str) -> Array:
    return ndonnx.argument(shape=shape, dtype=getattr(ndonnx, dtype))
