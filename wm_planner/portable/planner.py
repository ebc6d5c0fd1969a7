"""A planner whose whole search is one call of a graph: less overhead per plan, the same plans."""

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
from wm_planner.planners.base import Plan
from wm_planner.planners.problem import Problem
from wm_planner.planners.sampling import SamplingPlanner
from wm_planner.portable import graph as names
from wm_planner.portable.comparison import planner_feed
from wm_planner.portable.export import check_portable
from wm_planner.portable.graph import planner_graph
from wm_planner.world_models.onnx.model import Device, Graph, OnnxWorldModel, providers


class GraphPlanner:
    """Plans over one bundle with fixed costs; see `planners.base.Planner`.

    A deadline cannot cut a graph: a plan that takes longer says so in `deadline_hit`.

    Args:
        bundle: path of the model's folder, see `share.find`.
        model: the bundle, loaded.
        planner: what the graph is traced from.
        costs: of every problem that it will plan for.
        device, threads: of the graph, as for `OnnxWorldModel.load`.

    Raises:
        ConfigError: for a planner, costs or a model that cannot be one graph.
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
        made, self._noise = planner_graph(
            planner, costs, model.card, onnx.load(folder / "step.onnx"), with_elites=True
        )
        serialized = made.SerializeToString(deterministic=True)
        self._graph = Graph(folder / "step.onnx", providers(device), threads, serialized)
        self._size = len(model.card.action.names)
        self.horizon = planner.horizon
        self._counts = self._counted(planner, model, costs)

    def plan(
        self,
        problem: Problem,
        *,
        rng: np.random.Generator,
        warm_start: NDArray[np.float32] | None = None,
        proposals: NDArray[np.float32] | None = None,
        deadline: Deadline | None = None,
    ) -> Plan:
        """Plan with one call of the graph; the arguments are those of `Planner.plan`."""
        start = np.zeros((self.horizon, self._size), np.float32) if warm_start is None else warm_start
        more = np.zeros((0, self.horizon, self._size), np.float32) if proposals is None else proposals
        context = problem.context
        last = np.zeros(self._size, np.float32) if context.last_action is None else context.last_action
        given = Context(context.goal, context.goal_latent, last, start)
        everything = planner_feed(problem.latent, given, self._noise.draw(rng), more)
        outputs = self._graph.run({port.name: everything[port.name] for port in self._graph.inputs})
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
            iterations=self._counts.iterations,
            evaluations=self._counts.evaluations + len(more),
            deadline_hit=deadline is not None and deadline.left_s() <= 0,
        )

    @staticmethod
    def _counted(planner: SamplingPlanner, model: OnnxWorldModel, costs: Sequence[WeightedCost]) -> Plan:
        """A plan of the Python planner, whose iterations and evaluations are those of the graph."""
        latent: Mapping[str, Any] = {
            spec.name: np.zeros((1, *spec.shape), spec.dtype) for spec in model.card.latents
        }
        goal = {spec.name: latent[spec.name][0] for spec in model.card.latents if spec.unit is not None}
        problem = Problem(model, latent, costs, Context(goal=goal, goal_latent=latent))
        return planner.plan(problem, rng=np.random.default_rng(0))
