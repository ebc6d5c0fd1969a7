"""Comparison of a portable planner with the Python planner that it was traced from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.world_model import WorldModel
from wm_planner.planners.base import Plan
from wm_planner.planners.mpc import shifted
from wm_planner.planners.problem import Problem
from wm_planner.planners.sampling import SamplingPlanner
from wm_planner.portable import graph as names
from wm_planner.portable.tracing import Noise
from wm_planner.world_models.onnx.inputs import Arrays
from wm_planner.world_models.onnx.session import Graph

EPISODES, TICKS = 2, 3


@dataclass(frozen=True, slots=True)
class Difference:
    """Largest absolute differences between the two planners.

    Attributes:
        actions: of plans, spreads, warm starts and proposals, in half ranges of the actions.
        cost: of the plans' costs.
        plans: number of plans compared.
    """

    actions: float
    cost: float
    plans: int


def compare(
    portable: Graph, planner: SamplingPlanner, costs: Sequence[WeightedCost], model: WorldModel, noise: Noise
) -> Difference:
    """Plan several ticks of several episodes with both planners, with the same noise.

    The goals are reachable: they are the latents that random actions lead to.

    Args:
        portable: the exported graph.
        planner: the planner that it was traced from.
        costs: of the problem.
        model: the bundle.
        noise: the noise that the graph takes.
    """
    actions, cost = [0.0], [0.0]
    for episode in range(EPISODES):
        rng = np.random.default_rng(episode)
        start = _random_latent(model, rng)
        goal = _random_goal(model, start, planner.horizon, rng)
        warm_start = np.zeros((planner.horizon, len(model.card.action.names)), np.float32)
        proposals = np.zeros((0, *warm_start.shape), np.float32)
        for tick in range(TICKS):
            last_action = rng.uniform(model.card.action.low, model.card.action.high).astype(np.float32)
            states = {spec.name: goal[spec.name][0] for spec in model.card.latents if spec.unit is not None}
            context = Context(states, goal, last_action, warm_start)
            problem = Problem(model, start, costs, context)
            seed = [episode, tick]
            plan = planner.plan(
                problem, rng=np.random.default_rng(seed), warm_start=warm_start, proposals=proposals
            )
            feed = planner_feed(start, context, noise.rows(seed), proposals)
            outputs = portable.run({port.name: feed[port.name] for port in portable.inputs})
            actions += _action_differences(plan, outputs, problem.space.half_range)
            cost.append(abs(float(outputs[names.COST]) - plan.cost))
            warm_start = shifted(plan.actions, 1)
            proposals = proposals if plan.elites is None else shifted(plan.elites, 1)
    return Difference(max(actions), max(cost), EPISODES * TICKS)


def planner_feed(latent: Any, context: Context, noise: Any, proposals: Any) -> Arrays:
    """The inputs of a portable planner by name, from the arguments of one tick of the Python planner."""
    return {
        **{names.LATENT + name: array for name, array in latent.items()},
        **{names.GOAL_LATENT + name: array for name, array in (context.goal_latent or {}).items()},
        **{names.GOAL + name: np.asarray(array, np.float32) for name, array in context.goal.items()},
        names.LAST_ACTION: context.last_action,
        names.WARM_START: context.previous_plan,
        names.PROPOSALS: proposals,
        names.NOISE: noise,
    }


def _random_latent(model: WorldModel, rng: np.random.Generator) -> Arrays:
    encoded = [spec for spec in model.card.latents if spec.role != "cache"]
    return {spec.name: rng.standard_normal((1, *spec.shape)).astype(spec.dtype) for spec in encoded}


def _random_goal(model: WorldModel, start: Arrays, steps: int, rng: np.random.Generator) -> Arrays:
    """The latent after random actions from `start`."""
    action = model.card.action
    plan = rng.uniform(action.low, action.high, (1, steps, len(action.names))).astype(np.float32)
    return {name: array[:, -1] for name, array in model.rollout(start, plan).latents.items()}


def _action_differences(plan: Plan, outputs: Arrays, half_range: Any) -> list[float]:
    """The differences of all outputs in units of actions; infinite where the shapes differ."""
    pairs = [
        (plan.actions, outputs[names.ACTIONS]),
        (plan.spread, outputs[names.SPREAD]),
        (shifted(plan.actions, 1), outputs[names.NEXT + names.WARM_START]),
    ]
    if plan.elites is not None:
        pairs.append((shifted(plan.elites, 1), outputs[names.NEXT + names.PROPOSALS]))
    return [_max_difference(ours, theirs, half_range) for ours, theirs in pairs]


def _max_difference(ours: Any, theirs: Any, half_range: Any) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.max(np.abs(ours - theirs) / half_range, initial=0.0))
