import numpy as np
import pytest

from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs import COSTS, build_costs
from wm_planner.costs.latent import LatentGoal
from wm_planner.costs.model import Reward, Surprise, Uncertainty, Value
from wm_planner.costs.motion import ActionRate, Consistency, Effort, PreferredAction
from wm_planner.costs.obstacles import KeepOut, Obstacles
from wm_planner.costs.relative import Behind, StateDistance
from wm_planner.costs.state import PoseGoal, StateGoal, StateLimits
from wm_planner.errors import ConfigError, ShapeError, WmError
from wm_planner.manipulation.workspace import Workspace

RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((6, 4, 3, 5)).astype(np.float32)  # (N, H, P, D)
POSITION = RNG.standard_normal((6, 4, 3)).astype(np.float32)
BLOCK = (0.5 - POSITION[:, ::-1]).copy()
ACTIONS = RNG.uniform(-0.05, 0.05, (6, 4, 2)).astype(np.float32)
GOAL = RNG.standard_normal((1, 3, 5)).astype(np.float32)

TURN = RNG.standard_normal((6, 4, 4)).astype(np.float32)
TURN /= np.linalg.norm(TURN, axis=-1, keepdims=True)
OUTPUTS = {
    name: RNG.random((6, 4)).astype(np.float32) for name in ("reward", "value", "uncertainty", "continue")
}

EVERY_COST = {
    "behind": Behind(Behind.Config(tool="tcp_position", object="block_position")),
    "preferred_action": PreferredAction(PreferredAction.Config(components=(1,), values=(0.05,))),
    "state_distance": StateDistance(
        StateDistance.Config(state="tcp_position", other="block_position", metric="l1")
    ),
    "latent_goal": LatentGoal(LatentGoal.Config(metric="l1")),
    "action_rate": ActionRate(ActionRate.Config()),
    "consistency": Consistency(Consistency.Config()),
    "effort": Effort(Effort.Config()),
    "keep_out": KeepOut(
        KeepOut.Config(
            state="tcp_position", spheres=((0, 0, 0, 1.0),), boxes=((0, 0, 0, 2, 2, 2),), margin=0.1
        )
    ),
    "obstacles": Obstacles(Obstacles.Config(state="tcp_position", objects="balls")),
    "pose_goal": PoseGoal(PoseGoal.Config(length=0.5)),
    "reward": Reward(Reward.Config()),
    "state_goal": StateGoal(StateGoal.Config(state="tcp_position")),
    "state_limits": StateLimits(
        StateLimits.Config(state="tcp_position", low=(-0.5, -0.5, -0.5), high=(0.5, 0.5, 9.0))
    ),
    "surprise": Surprise(Surprise.Config(array="z")),
    "uncertainty": Uncertainty(Uncertainty.Config()),
    "value": Value(Value.Config()),
}


def world(xp=np, **changes):
    """A rollout, its actions and a context, as arrays of the namespace `xp`."""
    states = {"tcp_position": POSITION, "tcp_orientation": TURN, "block_position": BLOCK}
    states = {name: xp.asarray(values) for name, values in states.items()}
    outputs = {name: xp.asarray(values) for name, values in OUTPUTS.items()}
    rollout = Rollout({"z": xp.asarray(LATENT)}, states, outputs)
    context = {
        "goal": {
            "tcp_position": np.asarray([0.1, 0.2, 0.3], np.float32),
            "tcp_orientation": np.asarray([1, 0, 0, 0], np.float32),
            "block_position": np.asarray([1.0, 0.5, 0.0], np.float32),
        },
        "previous_plan": np.full((4, 2), 0.01, np.float32),
        "domain": Workspace({"balls": np.asarray([[0.5, 0, 0, 1.0], [0, 0.5, 0, 1.0]], np.float32)}),
        "goal_latent": {"z": xp.asarray(GOAL)},
        "last_action": np.asarray([0.01, -0.02], np.float32),
        "action_scale": np.asarray([0.05, 0.05], np.float32),
    }
    return rollout, xp.asarray(ACTIONS), Context(**(context | changes))


DRIVING = ("wm_planner.driving.costs", "wm_planner.driving.costs.traffic_model")
"""Costs that read traffic are tested in tests/driving/costs."""


def test_every_cost_of_the_registry_is_tested_here():
    here = {name for name in COSTS.entries if not COSTS.load(name).__module__.startswith(DRIVING)}
    assert set(EVERY_COST) == here
    assert all(isinstance(EVERY_COST[name], COSTS.load(name)) for name in EVERY_COST)


@pytest.mark.parametrize("name", EVERY_COST)
def test_a_cost_is_the_same_in_every_array_namespace(name, namespace):
    ours = EVERY_COST[name](*world())
    theirs = EVERY_COST[name](*world(namespace))
    assert ours.shape == (6,)
    assert np.abs(ours).max() > 0
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("name", EVERY_COST)
def test_a_cost_has_a_gradient_in_torch(name):
    import torch

    rollout, actions, context = world(torch)
    given = [*rollout.latents.values(), *rollout.states.values(), *rollout.outputs.values(), actions]
    inputs = [tensor.requires_grad_() for tensor in given]
    EVERY_COST[name](rollout, actions, context).sum().backward()
    assert any(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in inputs)


@pytest.mark.parametrize(("metric", "each"), [("l1", np.abs), ("l2", np.square)])
def test_latent_goal_weights_the_last_step_and_the_mean_over_the_steps(metric, each):
    cost = LatentGoal(LatentGoal.Config(metric=metric, terminal_weight=2.0, mean_weight=0.5))
    distance = each(LATENT - GOAL[:, None]).mean(axis=(2, 3))  # (N, H)
    np.testing.assert_allclose(cost(*world()), 2.0 * distance[:, -1] + 0.5 * distance.mean(axis=1), rtol=1e-5)


def test_latent_goal_compares_the_first_array_that_is_no_state_unless_one_is_named():
    rollout = Rollout({"pose": POSITION, "z": LATENT, "w": LATENT * 2}, {"pose": POSITION})
    goal = {"pose": POSITION[:1, 0], "z": GOAL, "w": GOAL * 2}
    context = Context(goal_latent=goal)
    first, named = LatentGoal(LatentGoal.Config()), LatentGoal(LatentGoal.Config(array="w"))
    np.testing.assert_allclose(
        named(rollout, ACTIONS, context), 4 * first(rollout, ACTIONS, context), rtol=1e-6
    )
    assert first.requires == {"context:goal_latent"}
    assert named.requires == {"context:goal_latent", "latent:w"}


def test_latent_goal_names_the_arrays_of_the_goal():
    with pytest.raises(ConfigError, match=r"no array '', known: x.*predicts z"):
        EVERY_COST["latent_goal"](*world(goal_latent={"x": GOAL}))


def test_a_goal_of_another_model_is_refused_with_both_shapes():
    with pytest.raises(ShapeError, match=r"goal has shape \(1, 2, 5\).*\(6, 4, 3, 5\).*another model"):
        EVERY_COST["latent_goal"](*world(goal_latent={"z": GOAL[:, :2]}))


def test_action_rate_measures_the_first_change_from_the_last_action():
    constant = np.full((1, 3, 2), 0.05, np.float32)
    rate = EVERY_COST["action_rate"]
    rollout, _, context = world(last_action=np.asarray([0.05, -0.05], np.float32))
    assert rate(rollout, constant, context) == pytest.approx(4 / 6)  # one of six changes is bound to bound
    assert rate(rollout, constant, world(last_action=None)[2]) == 0


def test_action_rate_of_a_single_step_without_a_last_action_is_zero():
    rollout, actions, context = world(last_action=None)
    np.testing.assert_array_equal(EVERY_COST["action_rate"](rollout, actions[:, :1], context), np.zeros(6))


def test_effort_is_one_at_the_bounds():
    rollout, actions, context = world()
    assert EVERY_COST["effort"](rollout, np.full_like(actions, -0.05), context) == pytest.approx(np.ones(6))


def states(**values):
    """A rollout of one candidate; each state is given as a list of steps."""
    arrays = {name: np.asarray(steps, np.float32)[None] for name, steps in values.items()}
    horizon = len(next(iter(values.values())))
    return Rollout({}, arrays), np.zeros((1, horizon, 2), np.float32)


# --- goals


def test_cosine_depends_on_the_angle_of_each_token_only():
    rollout, actions, context = world(goal_latent={"z": 3 * LATENT[:1, -1]})
    end = LatentGoal(LatentGoal.Config(metric="cosine", mean_weight=0.0))
    assert end(rollout, actions, context)[0] == pytest.approx(0, abs=1e-6)
    opposite = world(goal_latent={"z": -LATENT[:1, -1]})[2]
    assert end(rollout, actions, opposite)[0] == pytest.approx(2, abs=1e-6)


def test_only_the_tokens_in_patches_are_compared():
    rollout, actions, context = world()
    masked = LatentGoal(LatentGoal.Config(patches=(2, 0), mean_weight=0.0))
    wanted = np.square(LATENT[:, -1, [2, 0]] - GOAL[:, [2, 0]]).mean(axis=(1, 2))
    np.testing.assert_allclose(masked(rollout, actions, context), wanted, rtol=1e-5)
    with pytest.raises(ConfigError, match=r"patches is \[3\], but latent 'z' has shape \(6, 4, 3, 5\)"):
        LatentGoal(LatentGoal.Config(patches=(3,)))(rollout, actions, context)


def test_a_pose_goal_adds_translation_and_rotation():
    half = np.pi / 6  # a rotation of 60 degrees about x
    rotated = [np.cos(half), np.sin(half), 0, 0]
    rollout, actions = states(tcp_position=[[3.0, 4.0, 0.0]], tcp_orientation=[rotated])
    goal = {"tcp_position": np.zeros(3), "tcp_orientation": np.array([-1.0, 0, 0, 0])}  # the identity
    cost = PoseGoal(PoseGoal.Config(metric="l1", mean_weight=0.0, length=0.1))
    assert cost(rollout, actions, Context(goal=goal)) == pytest.approx(5 + 0.1 * np.pi / 3, rel=1e-5)
    squared = PoseGoal(PoseGoal.Config(metric="l2", mean_weight=0.0, length=0.1))
    assert squared(rollout, actions, Context(goal=goal)) == pytest.approx(
        25 + (0.1 * np.pi / 3) ** 2, rel=1e-5
    )


def test_an_angle_is_wrapped_to_the_shorter_direction():
    rollout, actions = states(yaw=[[3.0]])
    cost = StateGoal(StateGoal.Config(state="yaw", angle=True, metric="l1", mean_weight=0.0))
    assert cost(rollout, actions, Context(goal={"yaw": np.array([-3.0])})) == pytest.approx(2 * np.pi - 6)


# --- limits and zones


def test_state_limits_take_the_worst_step_and_component():
    rollout, actions = states(speed=[[0.0, 0.0], [2.5, 0.0], [0.0, -1.75]])
    limits = StateLimits(StateLimits.Config(state="speed", low=(-1, -1), high=(1, 1)))
    assert limits(rollout, actions, Context()) == pytest.approx(1.5)
    inside, _ = states(speed=[[1.0, -1.0]])
    assert limits(inside, actions, Context()) == 0
    with pytest.raises(ShapeError, match="state speed has 2 components, but its limits have 1"):
        StateLimits(StateLimits.Config(state="speed", low=(0,), high=(1,)))(rollout, actions, Context())


@pytest.mark.parametrize(
    ("position", "depth"),
    [
        ([0.0, 0.0], 0.5),  # the centre of the sphere
        ([0.3, 0.0], 0.2),
        ([3.0, 2.5], 0.5),  # in the box, half a metre from its nearest side
        ([1.9, 2.5], 0.0),
        ([9.0, 9.0], 0.0),
    ],
)
def test_keep_out_is_the_depth_in_the_deepest_zone(position, depth):
    cost = KeepOut(KeepOut.Config(state="p", spheres=((0, 0, 0.5),), boxes=((2, 2, 4, 4),)))
    rollout, actions = states(p=[[9.0, 9.0], position])
    assert cost(rollout, actions, Context()) == pytest.approx(depth, abs=1e-6)


def test_a_margin_enlarges_zones():
    cost = KeepOut(KeepOut.Config(state="p", spheres=((0, 0, 0.5),), margin=0.2))
    rollout, actions = states(p=[[0.6, 0.0]])
    assert cost(rollout, actions, Context()) == pytest.approx(0.1)


def test_invalid_zones_are_refused():
    with pytest.raises(ValueError, match="wanted at least one zone"):
        KeepOut.Config(state="p")
    with pytest.raises(ValueError, match="the same k for all"):
        KeepOut.Config(state="p", spheres=((0, 0, 1),), boxes=((0, 0, 0, 1, 1, 1),))
    rollout, actions = states(p=[[0.0, 0.0]])
    with pytest.raises(ShapeError, match="a zone has 4 numbers, wanted 3 for positions of 2"):
        KeepOut(KeepOut.Config(state="p", spheres=((0, 0, 0, 1),)))(rollout, actions, Context())


def test_a_forecast_is_compared_step_by_step():
    """An object is at the robot's position in the second step only."""
    cost = Obstacles(Obstacles.Config(state="p", objects="cars"))
    rollout, actions = states(p=[[0.0, 0.0], [0.0, 0.0]])
    there, far = [[0.1, 0.0, 1.0]], [[5.0, 0.0, 1.0]]
    for forecast, depth in [([far, there], 0.9), ([far, far], 0.0)]:
        context = Context(domain=Workspace({"cars": np.asarray(forecast)}))
        assert cost(rollout, actions, context) == pytest.approx(depth, abs=1e-6)
    assert cost(rollout, actions, Context(domain=Workspace({"cars": np.zeros((0, 3))}))) == 0
    with pytest.raises(ShapeError, match=r"\(3, 1, 3\), wanted \(M, 3\), or \(2, M, 3\)"):
        cost(rollout, actions, Context(domain=Workspace({"cars": np.zeros((3, 1, 3))})))


# --- the model's own assessment


def test_reward_and_value_are_the_discounted_return():
    outputs = {"reward": np.array([[1.0, 2.0, 4.0]]), "value": np.array([[9.0, 9.0, 8.0]])}
    rollout, actions = Rollout({}, {}, outputs), np.zeros((1, 3, 1))
    reward, value = Reward(Reward.Config(discount=0.5)), Value(Value.Config(discount=0.5))
    assert reward(rollout, actions, Context()) == -(1 + 1 + 1)
    assert value(rollout, actions, Context()) == -1
    ended = Rollout({}, {}, outputs | {"continue": np.array([[1.0, 0.0, 1.0]])})
    assert reward(ended, actions, Context()) == -2  # nothing counts after the end
    assert value(ended, actions, Context()) == 0


def test_surprise_is_zero_for_usual_latents_and_grows_with_their_square():
    ordinary = np.random.default_rng(0).standard_normal((2, 3, 4000))
    cost = Surprise(Surprise.Config(array="z"))
    assert cost(Rollout({"z": ordinary}), ACTIONS, Context()) == pytest.approx([0, 0], abs=0.05)
    assert cost(Rollout({"z": 2 * ordinary}), ACTIONS, Context()) == pytest.approx([3, 3], abs=0.1)


def test_consistency_compares_with_the_previous_plan_if_there_is_one():
    rollout, actions, context = world(previous_plan=ACTIONS[2])
    costs = EVERY_COST["consistency"](rollout, actions, context)
    assert costs[2] == 0 and (np.delete(costs, 2) > 0).all()
    assert not EVERY_COST["consistency"](rollout, actions, world(previous_plan=None)[2]).any()


def at(tool, block, goal=(1.0, 0.0, 0.0)):
    """One candidate that does not move for two steps."""
    states = {
        "tcp_position": np.tile(np.array(tool), (1, 2, 1)),
        "block_position": np.tile(np.array(block), (1, 2, 1)),
    }
    goals = {"block_position": np.array(goal)}
    return Rollout({}, states), np.zeros((1, 2, 2)), Context(goal=goals)


@pytest.mark.parametrize(("metric", "each"), [("l1", 5.0), ("l2", 25.0)])
def test_a_state_distance_is_euclidean_or_its_square(metric, each):
    config = StateDistance.Config(
        state="tcp_position", other="block_position", metric=metric, mean_weight=2.0
    )
    assert StateDistance(config)(*at((0, 3, 0), (4, 0, 0)))[0] == pytest.approx((1 + 2) * each)


def test_a_state_distance_has_no_cosine():
    with pytest.raises(ValueError, match="wanted l1 or l2"):
        StateDistance.Config(state="a", other="b", metric="cosine")


@pytest.mark.parametrize(("tool", "cost"), [((-0.3, 0, 0.5), 0.0), ((0.3, 0, 0.5), 2.0), ((0, 0.1, 0), 1.0)])
def test_behind_is_zero_if_the_object_is_between_tool_and_goal(tool, cost):
    behind = EVERY_COST["behind"]
    assert behind(*at(tool, (0, 0, 0.1)))[0] == pytest.approx(cost)


def test_a_preferred_action_measures_only_its_components_in_half_ranges():
    preferred = PreferredAction(PreferredAction.Config(components=(1,), values=(1.0,)))
    actions = np.array([[[9.0, 1.0], [9.0, 0.0]]])
    context = Context(action_scale=np.array([1.0, 0.5]))
    assert preferred(Rollout({}), actions, context)[0] == pytest.approx((0 + 4) / 2)


def test_a_preference_for_a_missing_component_is_refused():
    with pytest.raises(ShapeError, match="names component 2, but actions have 2"):
        PreferredAction(PreferredAction.Config(components=(2,), values=(1.0,)))(*world())
    with pytest.raises(ValueError, match="one value per component index"):
        PreferredAction.Config(components=(1, 0), values=(1.0,))


def test_state_goal_requires_its_state_and_goal():
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
        ([{"weight": 1.0}], r"costs\[0\]: 'type' is missing, wanted the name of a cost"),
        ([{"type": "effort"}, {"type": "effort"}], r"costs\[1\]: a second cost named 'effort'"),
        ([{"type": "effort", "weight": "big"}], r"costs\[0\].weight: got 'big', wanted a number"),
        (
            [{"type": "latent_goal", "metrik": "l1"}],
            r"costs\[0\]: unknown key 'metrik', did you mean 'metric'",
        ),
        ([{"type": "latent_goal", "terminal_weight": 0, "mean_weight": 0}], "one of them above 0"),
    ],
)
def test_costs_that_cannot_be_built_give_the_path_and_the_reason(specs, reason):
    with pytest.raises(WmError, match=reason):
        build_costs(specs, "costs")


def test_an_empty_list_of_patches_is_refused():
    with pytest.raises(ConfigError, match="patches is empty"):
        COSTS.build({"type": "latent_goal", "patches": []}, "costs")


def test_a_misspelt_common_key_is_answered_with_the_right_one():
    with pytest.raises(ConfigError, match="unknown key 'weigth', did you mean 'weight'"):
        build_costs([{"type": "effort", "weigth": 3}], "costs")
    with pytest.raises(ConfigError, match="costs: got None, wanted a list"):
        build_costs(None, "costs")


def test_uncertainty_counts_until_the_imagined_episode_ends_and_less_by_its_discount():
    uncertainty = np.array([[1.0, 2.0, 4.0, 8.0]])
    lasting = Rollout({}, {}, {"uncertainty": uncertainty})
    ending = Rollout({}, {}, {"uncertainty": uncertainty, "continue": np.array([[1.0, 0.0, 1.0, 1.0]])})
    actions = np.zeros((1, 4, 2))
    plain, halved = (Uncertainty(Uncertainty.Config(discount=factor)) for factor in (1.0, 0.5))
    assert plain(lasting, actions, Context()) == [15 / 4]
    assert plain(ending, actions, Context()) == [3 / 4]
    assert halved(lasting, actions, Context()) == [(1 + 1 + 1 + 1) / 4]
