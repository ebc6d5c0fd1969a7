import array_api_strict
import numpy as np
import pytest
import torch

from wm_planner.costs import COSTS, build_costs
from wm_planner.costs.base import Context, Rollout
from wm_planner.costs.latent import LatentGoal
from wm_planner.costs.motion import ActionRate, Effort, StateGoal
from wm_planner.errors import ConfigError, ShapeError, WmError

RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((6, 4, 3, 5)).astype(np.float32)  # (N, H, P, D)
POSITION = RNG.standard_normal((6, 4, 3)).astype(np.float32)
ACTIONS = RNG.uniform(-0.05, 0.05, (6, 4, 2)).astype(np.float32)
GOAL = RNG.standard_normal((1, 3, 5)).astype(np.float32)

EVERY_COST = {
    "latent_goal": LatentGoal(LatentGoal.Config(metric="l1")),
    "action_rate": ActionRate(ActionRate.Config()),
    "effort": Effort(Effort.Config()),
    "state_goal": StateGoal(StateGoal.Config(state="tcp_position")),
}


def world(xp=np, **changes):
    """A rollout, its actions and a context, as arrays of the namespace `xp`."""
    rollout = Rollout({"z": xp.asarray(LATENT)}, {"tcp_position": xp.asarray(POSITION)})
    context = {
        "goal": {"tcp_position": np.asarray([0.1, 0.2, 0.3], np.float32)},
        "goal_latent": {"z": xp.asarray(GOAL)},
        "last_action": np.asarray([0.01, -0.02], np.float32),
        "action_scale": np.asarray([0.05, 0.05], np.float32),
    }
    return rollout, xp.asarray(ACTIONS), Context(**(context | changes))


def test_every_cost_of_the_registry_is_tested_here():
    assert set(EVERY_COST) == set(COSTS.entries)
    assert all(isinstance(EVERY_COST[name], COSTS.load(name)) for name in EVERY_COST)


@pytest.mark.parametrize("name", EVERY_COST)
@pytest.mark.parametrize("namespace", [array_api_strict, torch], ids=["strict", "torch"])
def test_a_cost_is_the_same_in_every_array_namespace(name, namespace):
    ours = EVERY_COST[name](*world())
    theirs = EVERY_COST[name](*world(namespace))
    assert ours.shape == (6,)
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-6)


@pytest.mark.parametrize("name", EVERY_COST)
def test_a_cost_has_a_gradient_in_torch(name):
    rollout, actions, context = world(torch)
    latent, position = rollout.latents["z"], rollout.states["tcp_position"]
    inputs = [tensor.requires_grad_() for tensor in (latent, position, actions)]
    EVERY_COST[name](rollout, actions, context).sum().backward()
    assert any(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in inputs)


@pytest.mark.parametrize(("metric", "each"), [("l1", np.abs), ("l2", np.square)])
def test_latent_goal_weighs_the_end_against_the_mean_over_the_way(metric, each):
    cost = LatentGoal(LatentGoal.Config(metric=metric, terminal_weight=2.0, mean_weight=0.5))
    distance = each(LATENT - GOAL[:, None]).mean(axis=(2, 3))  # (N, H)
    np.testing.assert_allclose(cost(*world()), 2.0 * distance[:, -1] + 0.5 * distance.mean(axis=1), rtol=1e-5)


def test_latent_goal_takes_the_first_array_that_is_no_state_unless_told():
    rollout = Rollout({"pose": POSITION, "z": LATENT, "w": LATENT * 2}, {"pose": POSITION})
    goal = {"pose": POSITION[:1, 0], "z": GOAL, "w": GOAL * 2}
    context = Context(goal_latent=goal)
    first, told = LatentGoal(LatentGoal.Config()), LatentGoal(LatentGoal.Config(array="w"))
    np.testing.assert_allclose(
        told(rollout, ACTIONS, context), 4 * first(rollout, ACTIONS, context), rtol=1e-6
    )
    assert first.requires == {"context:goal_latent"}
    assert told.requires == {"context:goal_latent", "latent:w"}


def test_latent_goal_says_what_the_goal_has_instead():
    with pytest.raises(ConfigError, match=r"no array '' to compare, known: x.*imagines z"):
        EVERY_COST["latent_goal"](*world(goal_latent={"x": GOAL}))


def test_a_goal_of_another_model_is_refused_with_both_shapes():
    with pytest.raises(ShapeError, match=r"goal has shape \(1, 2, 5\).*\(6, 4, 3, 5\).*another model"):
        EVERY_COST["latent_goal"](*world(goal_latent={"z": GOAL[:, :2]}))


def test_action_rate_counts_the_first_change_against_the_last_action():
    still = np.full((1, 3, 2), 0.05, np.float32)
    rate = EVERY_COST["action_rate"]
    rollout, _, context = world(last_action=np.asarray([0.05, -0.05], np.float32))
    assert rate(rollout, still, context) == pytest.approx(4 / 6)  # one component jumps bound to bound, once
    assert rate(rollout, still, world(last_action=None)[2]) == 0


def test_action_rate_of_a_single_step_without_a_last_action_is_zero():
    rollout, actions, context = world(last_action=None)
    np.testing.assert_array_equal(EVERY_COST["action_rate"](rollout, actions[:, :1], context), np.zeros(6))


def test_effort_is_one_at_the_bounds():
    rollout, actions, context = world()
    assert EVERY_COST["effort"](rollout, np.full_like(actions, -0.05), context) == pytest.approx(np.ones(6))


def test_state_goal_says_what_it_needs():
    assert EVERY_COST["state_goal"].requires == {"state:tcp_position", "context:goal.tcp_position"}


def test_build_costs_reads_weights_and_names():
    specs = [
        {"type": "latent_goal", "metric": "l1"},
        {"type": "action_rate", "weight": 0.05, "name": "smooth"},
    ]
    goal, smooth = build_costs(specs, "costs")
    assert (goal.name, goal.weight, goal.cost.config.metric) == ("latent_goal", 1.0, "l1")
    assert (smooth.name, smooth.weight) == ("smooth", 0.05)


@pytest.mark.parametrize(
    ("specs", "reason"),
    [
        ([{"type": "latent_gaol"}], "unknown cost 'latent_gaol', did you mean 'latent_goal'"),
        ([{"weight": 1.0}], r"costs\[0\]: a cost needs 'type'"),
        ([{"type": "effort"}, {"type": "effort"}], r"costs\[1\]: a second cost named 'effort'"),
        ([{"type": "effort", "weight": "big"}], r"costs\[0\].weight: Expected `float`, got `str`"),
        (
            [{"type": "latent_goal", "metrik": "l1"}],
            r"costs\[0\]: unknown key 'metrik', did you mean 'metric'",
        ),
        ([{"type": "latent_goal", "terminal_weight": 0, "mean_weight": 0}], "one of them above 0"),
    ],
)
def test_costs_that_cannot_be_built_say_where_and_why(specs, reason):
    with pytest.raises(WmError, match=reason):
        build_costs(specs, "costs")
