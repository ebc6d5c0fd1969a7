"""`GraphPlanner`: an entire search as one graph call, compared with the Python planner it is traced from."""

import numpy as np
import pytest

from wm_planner.clock import Deadline, ManualClock
from wm_planner.contracts.context import Context
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.portable.planner import GraphPlanner
from wm_planner.world_models.onnx.model import OnnxWorldModel

BUNDLE = "models/bundles/panda_reach_small"
ICEM = {"type": "icem", "horizon": 3, "samples": 24, "elites": 6, "iterations": 2}
COSTS = build_costs([{"type": "latent_goal", "mean_weight": 2.0}], "costs")


@pytest.fixture(scope="module")
def model():
    return OnnxWorldModel.load(BUNDLE, device="cpu")


def graph_planner(model):
    return GraphPlanner(BUNDLE, model, PLANNERS.build(ICEM, "planner"), COSTS, device="cpu")


def latents(seed):
    z = np.random.default_rng(seed).standard_normal((2, 1, 64)).astype(np.float32)
    return {"z": z[0]}, {"z": z[1]}


def test_plans_of_an_episode_equal_those_of_the_python_planner(model):
    loops = [
        RecedingHorizon(RecedingHorizon.Config(), planner, model, COSTS, seed=3)
        for planner in (PLANNERS.build(ICEM, "planner"), graph_planner(model))
    ]
    for tick in range(4):
        latent, _ = latents(tick)
        context = Context(goal_latent=latents(99)[1])
        ours, theirs = (loop.tick(latent, context, tick) for loop in loops)
        np.testing.assert_allclose(theirs.actions, ours.actions, atol=1e-5)
        assert theirs.plan.cost == pytest.approx(ours.plan.cost, rel=1e-4)
        assert theirs.plan.terms == pytest.approx(ours.plan.terms, rel=1e-4)
        assert (theirs.plan.iterations, theirs.plan.evaluations) == (
            ours.plan.iterations,
            ours.plan.evaluations,
        )


def test_a_missed_deadline_is_reported(model):
    clock = ManualClock(0)
    deadline = Deadline.after(clock, 0.001)
    clock.set_ns(2_000_000)
    loop = RecedingHorizon(RecedingHorizon.Config(), graph_planner(model), model, COSTS, seed=3)
    latent, goal = latents(0)
    assert loop.tick(latent, Context(goal_latent=goal), 0, deadline).plan.deadline_hit


def test_planners_that_cannot_be_exported_are_rejected(model):
    with pytest.raises(ConfigError, match="Gradient cannot be exported"):
        GraphPlanner(BUNDLE, model, PLANNERS.build({"type": "gradient"}, "planner"), COSTS)


def test_the_planner_node_plans_with_one_graph(bench):
    planner_bench = bench(
        "planner",
        adapter={"type": "latent", "one_graph": True},
        world_model=BUNDLE,
        planner=ICEM,
        costs=[{"type": "latent_goal"}],
    )
    assert isinstance(planner_bench.node.adapter.mpc.planner, GraphPlanner)
