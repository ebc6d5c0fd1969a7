import numpy as np
import pytest
import torch
from point_mass import PointMass, make_card, problem, quadratic, reach

from wm_planner.clock import Deadline, ManualClock
from wm_planner.contracts.card import NoiseSpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import Limit, WeightedCost
from wm_planner.costs.latent import LatentGoal
from wm_planner.costs.motion import Effort
from wm_planner.errors import ConfigError
from wm_planner.planners.futures import FuturesConfig
from wm_planner.planners.gradient import Gradient
from wm_planner.planners.knots import Knots
from wm_planner.planners.problem import Problem
from wm_planner.training.graphs import StepGraph
from wm_planner.training.module import TrainableModel
from wm_planner.training.torch_model import TorchGraph, TorchWorldModel


class Nonlinear(TrainableModel):
    """z' = z + sin(a): smooth but nonlinear."""

    def __init__(self):
        super().__init__()
        card = make_card()
        self.about, self.observation, self.latents = card.about, card.observation, card.latents

    def loss(self, batch, progress, generator):
        raise NotImplementedError

    def encode(self, images, state):
        return {"z": state}

    def step(self, latent, action):
        return {"z": latent["z"] + torch.sin(action)}


def nonlinear():
    card = make_card()
    graph = TorchGraph.of_module(StepGraph(Nonlinear(), card.action))
    return TorchWorldModel(card, graph, graph)


def planner(**config):
    return Gradient(Gradient.Config(**{"horizon": 3, "samples": 4, **config}))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_gradient_matches_finite_differences():
    task = reach([0.7, -0.4], nonlinear())
    actions = rng().uniform(-0.9, 0.9, (2, 3, 2)).astype(np.float32)
    scores, gradient = task.gradient(actions)
    np.testing.assert_allclose(scores.total, task.evaluate(actions).total, rtol=1e-5)
    for place in [(0, 0, 0), (1, 2, 1)]:
        shift = np.zeros_like(actions)
        shift[place] = 1e-2
        rise = task.evaluate(actions + shift).total - task.evaluate(actions - shift).total
        assert gradient[place] == pytest.approx(rise[place[0]] / 2e-2, rel=2e-2)


def test_gradient_descent_reaches_the_goal():
    plan = planner(iterations=60).plan(reach([1.5, -0.9], nonlinear()), rng=rng())
    assert np.sin(plan.actions).sum(axis=0) == pytest.approx([1.5, -0.9], abs=0.03)
    assert plan.evaluations == 1 + 60 * 4 + 4


def test_plans_stay_in_the_box_and_a_warm_start_is_never_made_worse():
    goal = reach([9.0, 9.0], nonlinear())  # out of reach: the optimum is a corner of the box
    plan = planner(iterations=40).plan(goal, rng=rng())
    np.testing.assert_allclose(plan.actions, 1.0, atol=1e-3)
    assert plan.actions.max() <= 1
    start = np.ones((3, 2), np.float32)
    worse = planner(iterations=1, step=0.5).plan(goal, rng=rng(), warm_start=start)
    assert worse.cost <= goal.evaluate(start[None]).total[0]


def test_gradient_descent_works_on_knots_too():
    plan = planner(horizon=6, knots=Knots(count=2, curve="linear"), iterations=60).plan(
        reach([1.0, 1.0], nonlinear()), rng=rng()
    )
    assert plan.terms["only"] < 0.1
    np.testing.assert_allclose(np.diff(plan.actions, n=2, axis=0), 0, atol=1e-5)  # a straight line


def test_a_limit_acts_through_its_penalty():
    costs = [
        WeightedCost("goal", LatentGoal(LatentGoal.Config())),
        WeightedCost("effort", Effort(Effort.Config()), limit=Limit(at_most=0.04, by="penalty")),
    ]
    context = Context(goal_latent={"z": np.array([[3.0, 0.0]], np.float32)})
    task = Problem(nonlinear(), {"z": np.zeros((1, 2), np.float32)}, costs, context)
    plan = planner(iterations=80, step=0.02).plan(task, rng=rng())
    assert plan.violation < 0.02
    assert plan.terms["effort"] > 0.02  # it used most of the limit


def test_the_same_seed_gives_the_same_bytes_and_a_deadline_cuts():
    plans = [planner().plan(reach([1, 1], nonlinear()), rng=rng(3)).actions.tobytes() for _ in range(2)]
    assert plans[0] == plans[1]
    late = planner().plan(reach([1, 1], nonlinear()), rng=rng(), deadline=Deadline(ManualClock(5), 0))
    assert late.deadline_hit and np.isnan(late.cost)


def test_a_model_without_gradients_is_refused():
    with pytest.raises(ConfigError, match="toy has no gradients: use a torch model"):
        planner().plan(problem(quadratic(0), PointMass()), rng=rng())


def test_gradients_over_several_futures_are_refused():
    card = make_card(noise=(NoiseSpec(name="gust", shape=(2,), kind="normal"),))
    futures = FuturesConfig(count=3).of(card, rng())
    task = reach([0.5, 0.5], nonlinear())
    task.futures = futures
    with pytest.raises(ConfigError, match="one rollout with calm noise, and 3 futures are to be imagined"):
        task.gradient(np.zeros((1, 3, 2), np.float32))
