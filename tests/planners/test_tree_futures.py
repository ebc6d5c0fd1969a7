"""Tree search over several futures of a model with noise, and what cannot plan over them."""

import itertools

import numpy as np
import pytest
from point_mass import PointMass

from wm_planner.contracts.card import ActionSpec, NoiseSpec, PolicySpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError
from wm_planner.planners.belief import Belief, step
from wm_planner.planners.futures import FuturesConfig
from wm_planner.planners.gradient import Gradient
from wm_planner.planners.mcts import MCTS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.planners.problem import Problem

CHOICES = ActionSpec(names=("choice",), units=("",), low=(0.0,), high=(2.0,), choices=3)
GAIN = np.array([1.0, 1.2, 0.5])
RISK = np.array([0.1, 2.0, 0.3])
COSTS = build_costs([{"type": "reward", "discount": 0.9}], "costs")
START = {"z": np.zeros((1, 1), np.float32)}


class Gamble(PointMass):
    """Choices whose rewards fall, and whose episodes end, with the size of a gust."""

    def __init__(self, **changes):
        gust = NoiseSpec(name="gust", shape=(1,), kind="normal")
        super().__init__(CHOICES, noise=(gust,), capabilities=("reward", "continue"), **changes)
        self.asked = []

    def step(self, latent, action, noise=None):
        choice = action[:, 0].astype(int)
        gust = np.abs((noise or {"gust": np.zeros((1, 1), np.float32)})["gust"][:, 0])
        reward = GAIN[choice] * (1 + 0.3 * latent["z"][:, 0]) - RISK[choice] * gust
        moved = latent["z"] + action - 0.5 * gust[:, None]
        return {"z": moved}, {"reward": reward, "continue": np.exp(-gust * RISK[choice])}

    def rollout(self, latent, actions, noise=None):
        now = {"z": np.repeat(latent["z"], len(actions), axis=0)}
        latents, outputs = [], []
        for h in range(actions.shape[1]):
            own = {name: array[:, h] for name, array in noise.items()} if noise else None
            now, said = self.step(now, actions[:, h], own)
            latents.append(now["z"])
            outputs.append(said)
        return Rollout(
            {"z": np.stack(latents, axis=1)},
            outputs={name: np.stack([each[name] for each in outputs], axis=1) for name in outputs[0]},
        )


def problem(count, seed=0, model=None):
    model = model or Gamble()
    futures = FuturesConfig(count=count).of(model.card, np.random.default_rng(seed))
    return Problem(model, START, COSTS, Context(), futures)


def plan(problem, **config):
    return MCTS(MCTS.Config(horizon=2, simulations=200, **config)).plan(problem, rng=np.random.default_rng(0))


@pytest.mark.parametrize("root", ["puct", "gumbel"])
def test_a_tree_finds_the_plan_of_the_best_mean_over_the_futures(root):
    every = np.array(list(itertools.product(range(3), repeat=2)), np.float32)[:, :, None]
    for seed in range(5):
        given = problem(6, seed)
        costs = given.evaluate(every).total
        found = plan(given, root=root)
        assert found.cost == pytest.approx(costs.min())
        np.testing.assert_array_equal(found.actions, every[np.argmin(costs)])


def test_a_calm_future_hides_the_risk_that_several_show():
    assert plan(problem(1)).actions[0, 0] == 1
    assert plan(problem(32)).actions[0, 0] == 0


def test_the_return_at_the_root_is_the_mean_of_the_futures_in_which_episodes_end():
    given = problem(6)
    belief, total, factor = Belief.root(given), 0.0, 1.0
    for choice in (1, 0):
        [outcome] = step([given], [belief], [choice], horizon=2)
        total, factor = total + factor * outcome.reward, factor * 0.9 * outcome.goes_on
        belief = outcome.after
    [wanted] = given.evaluate(np.array([[[1.0], [0.0]]], np.float32)).total
    assert -total == pytest.approx(wanted)


def test_several_trees_over_futures_equal_the_trees_one_by_one():
    planner, model = MCTS(MCTS.Config(horizon=2, simulations=30)), Gamble()
    alone = [planner.plan(problem(4, seed, model), rng=np.random.default_rng(0)) for seed in range(3)]
    problems = [problem(4, seed, model) for seed in range(3)]
    together = planner.plan_many(problems, [np.random.default_rng(0) for _ in problems])
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours.actions, theirs.actions)
        assert ours.cost == theirs.cost


class Guided(Gamble):
    """Its policy chooses by the size of z, so that futures disagree."""

    def __init__(self):
        super().__init__(policy=PolicySpec(goal=False))

    def act(self, latent, goal_latent=None):
        self.asked.append(len(latent["z"]))
        return -10 * (np.arange(3.0) - np.abs(latent["z"])) ** 2


def test_the_policy_is_asked_at_every_node_in_every_future():
    model = Guided()
    assert np.isfinite(plan(problem(5, model=model)).cost)
    assert set(model.asked) == {5} and len(model.asked) == 201


def test_a_loop_over_futures_is_seeded():
    def actions(seed):
        planner = MCTS(MCTS.Config(horizon=3, simulations=10))
        config = RecedingHorizon.Config(futures=FuturesConfig(count=3))
        return RecedingHorizon(config, planner, Gamble(), COSTS, seed).tick(START, Context(), 0).plan.cost

    assert actions(1) == actions(1) != actions(2)


@pytest.mark.parametrize(
    ("planner", "over", "reason"),
    [
        (
            MCTS(MCTS.Config(horizon=2)),
            "worst",
            "MCTS plans over one calm future or the mean of several, not",
        ),
        (
            Gradient(Gradient.Config(horizon=2)),
            "mean",
            "Gradient plans over one calm future, not over the mean of 4",
        ),
    ],
)
def test_a_planner_that_cannot_plan_over_futures_is_refused_when_it_is_loaded(planner, over, reason):
    action = CHOICES if planner.discrete else ActionSpec(names=("a",), units=("m",), low=(-1.0,), high=(1.0,))
    gust = NoiseSpec(name="gust", shape=(1,), kind="normal")
    card = PointMass(action, noise=(gust,), capabilities=("reward",), futures=4).card
    config = RecedingHorizon.Config(futures=FuturesConfig(over=over))
    with pytest.raises(ConfigError, match=reason):
        RecedingHorizon.check(config, planner, card, COSTS)
