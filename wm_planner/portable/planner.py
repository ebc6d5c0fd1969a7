"""A planner whose entire search is one graph call: the same plans with less overhead."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from wm_planner import share
from wm_planner.clock import Deadline
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.errors import ConfigError
from wm_planner.planners.base import Plan
from wm_planner.planners.problem import Problem
from wm_planner.planners.sampling import SamplingPlanner
from wm_planner.portable import graph as names
from wm_planner.portable.comparison import planner_feed
from wm_planner.portable.export import check_portable
from wm_planner.portable.graph import planner_graph
from wm_planner.world_models.onnx.execution import Device, providers
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.session import Graph


class GraphPlanner:
    """Plans over one bundle with fixed costs; see `planners.base.Planner`.

    A deadline cannot interrupt a graph call; plans that take longer have `deadline_hit` set. Where no action
    has been executed yet, the graph takes zeros for the last action; the Python planner leaves it out.

    Args:
        bundle: path of the model's folder, see `share.find`.
        model: the bundle, loaded.
        planner: traced into the graph.
        costs: traced into the graph; the costs of the problems to plan are ignored.
        device: on which the graph runs, as in `OnnxWorldModel.load`.
        threads: of the graph, as in `OnnxWorldModel.load`.

    Raises:
        ConfigError: if planner, costs and model cannot be exported as one graph.
    """

    discrete = False

    def __init__(
        self,
        bundle: str | Path,
        model: OnnxWorldModel,
        planner: SamplingPlanner,
        costs: Sequence[WeightedCost],
        device: Device = "auto",
        threads: int = 1,
    ) -> None:
        folder = share.find(bundle)
        check_portable(planner, costs, model, folder)
        graph, self._noise = planner_graph(
            planner, costs, model.card, onnx.load(folder / "step.onnx"), with_elites=True
        )
        serialized = graph.SerializeToString(deterministic=True)
        self._graph = Graph(folder / "step.onnx", providers(device), threads, serialized)
        self._action_size = len(model.card.action.names)
        self.horizon = planner.horizon
        self._reference = self._reference_plan(planner, model, costs)

    def plan(
        self,
        problem: Problem,
        *,
        rng: np.random.Generator,
        warm_start: NDArray[np.float32] | None = None,
        proposals: NDArray[np.float32] | None = None,
        deadline: Deadline | None = None,
    ) -> Plan:
        """Plan with one call of the graph; the arguments are those of `Planner.plan`.

        Raises:
            ConfigError: if several futures are to be imagined.
        """
        if problem.futures is not None:
            raise ConfigError(
                f"a planner that is one graph imagines one future, not {problem.futures.count}: set "
                "`mpc: {futures: {count: 1}}` or `one_graph: false`"
            )
        context, shape = problem.context, (self.horizon, self._action_size)
        if warm_start is None:
            warm_start = problem.space.hold(self.horizon, context.last_action)
        if proposals is None:
            proposals = np.zeros((0, *shape), np.float32)
        last_action = np.zeros(shape[1], np.float32) if context.last_action is None else context.last_action
        context = Context(context.goal, context.goal_latent, last_action, warm_start)
        feed = planner_feed(problem.latent, context, self._noise.draw(rng), proposals)
        outputs = self._graph.run({port.name: feed[port.name] for port in self._graph.inputs})
        terms = {
            name.removeprefix(names.TERM): float(value)
            for name, value in outputs.items()
            if name.startswith(names.TERM)
        }
        return Plan(
            actions=outputs[names.ACTIONS],
            cost=float(outputs[names.COST]),
            terms=terms,
            spread=outputs[names.SPREAD],
            elites=outputs.get(names.ELITES),
            iterations=self._reference.iterations,
            evaluations=self._reference.evaluations + len(proposals),
            deadline_hit=deadline is not None and deadline.left_s() <= 0,
        )

    @staticmethod
    def _reference_plan(
        planner: SamplingPlanner, model: OnnxWorldModel, costs: Sequence[WeightedCost]
    ) -> Plan:
        """A plan of the Python planner, which takes as many iterations and evaluations as the graph."""
        latent: Mapping[str, Any] = {
            spec.name: np.zeros((1, *spec.shape), spec.dtype) for spec in model.card.latents
        }
        goal = {spec.name: latent[spec.name][0] for spec in model.card.latents if spec.unit is not None}
        problem = Problem(model, latent, costs, Context(goal=goal, goal_latent=latent))
        return planner.plan(problem, rng=np.random.default_rng(0))
