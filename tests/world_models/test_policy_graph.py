import msgspec
import numpy as np
import pytest
from point_mass import CostOf, act_graph, action_spec, make_card, write_bundle

from wm_planner.contracts.card import ActionSpec, PolicySpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.world_model import policy_of
from wm_planner.errors import BundleError, ConfigError, ShapeError
from wm_planner.planners.policy import imagine
from wm_planner.planners.problem import Problem
from wm_planner.world_models.onnx.model import OnnxWorldModel

TOWARDS = make_card(policy=PolicySpec(goal=True))
HOME = make_card(policy=PolicySpec(goal=False))
CHOICES = ActionSpec(names=("choice",), units=("",), low=(0.0,), high=(1.0,), choices=2)
LATENT = {"z": np.array([[1.0, 2.0], [3.0, 5.0]], np.float32)}
GOAL = {"z": np.array([[3.0, 3.0]], np.float32)}


def load(folder, card, act):
    write_bundle(folder / "toy", card, act=act)
    return OnnxWorldModel.load(folder / "toy", device="cpu")


def test_a_policy_acts_at_every_latent_towards_one_goal(tmp_path):
    model = load(tmp_path, TOWARDS, act_graph(TOWARDS))
    assert policy_of(model) is model
    np.testing.assert_array_equal(model.act(LATENT, GOAL), [[2, 1], [0, -2]])


def test_a_policy_without_a_goal_ignores_the_goal(tmp_path):
    model = load(tmp_path, HOME, act_graph(HOME, goal=None))
    np.testing.assert_array_equal(model.act(LATENT), -LATENT["z"])
    np.testing.assert_array_equal(model.act(LATENT, GOAL), -LATENT["z"])


def test_a_policy_of_discrete_actions_returns_logits(tmp_path):
    card = make_card(CHOICES, latents=HOME.latents, observation=HOME.observation, policy=HOME.policy)
    model = load(tmp_path, card, act_graph(card, goal=None, action="logits"))
    np.testing.assert_array_equal(model.act(LATENT), -LATENT["z"])


def test_a_bundle_without_a_policy_says_so(tmp_path):
    model = load(tmp_path, make_card(), None)
    assert policy_of(model) is None
    with pytest.raises(ConfigError, match=r"toy has no policy \(card: policy\)"):
        model.act(LATENT, GOAL)


def test_a_policy_refuses_latents_and_goals_of_another_model(tmp_path):
    model = load(tmp_path, TOWARDS, act_graph(TOWARDS))
    with pytest.raises(ConfigError, match="there is no goal latent: give a goal image"):
        model.act(LATENT)
    with pytest.raises(ShapeError, match=r"latent z has shape \(2, 3\)"):
        model.act({"z": np.zeros((2, 3))}, GOAL)
    with pytest.raises(ShapeError, match=r"shape \(2, 2\), the card of toy says \(1, 2\)"):
        model.act(LATENT, LATENT)


@pytest.mark.parametrize(
    ("card", "act", "reason"),
    [
        (TOWARDS, {"copies": 2}, r"act.onnx: action says \[N, 2\], output action is \[N, 4\]"),
        (TOWARDS, {"action": "logits"}, "act.onnx has an output 'logits' that the card does not imply"),
        (HOME, {}, "act.onnx has an input 'goal.z' that the card does not imply"),
        (TOWARDS, {"goal": "goal.x"}, "act.onnx has an input 'goal.x' that the card does not imply"),
        (make_card(action_spec(2), policy=None), {}, "card.yaml: policy is missing, a policy needs both"),
    ],
)
def test_a_policy_that_disagrees_with_the_card_is_refused(tmp_path, card, act, reason):
    with pytest.raises(BundleError, match=reason):
        load(tmp_path, card, act_graph(card, **act))


def test_a_card_with_a_policy_needs_its_graph(tmp_path):
    with pytest.raises(BundleError, match=r"graphs\.act is missing"):
        load(tmp_path, TOWARDS, None)
    load(tmp_path, TOWARDS, act_graph(TOWARDS))
    (tmp_path / "toy" / "act.onnx").write_bytes(b"other weights")
    with pytest.raises(BundleError, match=r"graphs\.act\.sha256 .* was changed"):
        OnnxWorldModel.load(tmp_path / "toy", device="cpu")


def test_a_policy_is_not_an_output_of_step():
    with pytest.raises(ValueError, match=r"not an output of step: export it as act\.onnx"):
        msgspec.structs.replace(make_card(), capabilities=("reward", "policy"))


# --- unrolled in one call


def imagined(model, latent, steps):
    """What the policy does in one call, and call by call."""
    context = Context(goal_latent=GOAL)
    problem = Problem(
        model, latent, [WeightedCost("none", CostOf(lambda actions: actions[:, 0, 0]))], context
    )
    once = imagine(problem, steps)
    model.unroll = lambda *arguments: None
    return once, imagine(problem, steps), model.step_by_step(latent, once.actions)


@pytest.mark.parametrize("steps", [1, 4])
def test_a_policy_unrolled_in_one_call_acts_as_it_does_call_by_call(tmp_path, steps):
    card = msgspec.structs.replace(TOWARDS, capabilities=("reward",))
    once, stepped, rollout = imagined(load(tmp_path, card, act_graph(card)), {"z": LATENT["z"][:1]}, steps)
    assert once.actions.tolist()[0][:2] == [[1, 1], [1, 0]][:steps]  # within the bounds
    np.testing.assert_array_equal(once.actions, stepped.actions)
    np.testing.assert_array_equal(once.rollout.latents["z"], rollout.latents["z"])
    np.testing.assert_array_equal(once.rollout.outputs["reward"], rollout.outputs["reward"])
    assert list(once.rollout.outputs) == ["reward"]


def test_a_discrete_policy_unrolled_in_one_call_takes_the_likeliest_choice(tmp_path):
    """With logits -z, the choice is that of the smaller element of z, to both of which it is added."""
    card = make_card(CHOICES, latents=HOME.latents, observation=HOME.observation, policy=HOME.policy)
    model = load(tmp_path, card, act_graph(card, goal=None, action="logits"))
    once, stepped, _ = imagined(model, {"z": LATENT["z"][:1]}, 3)
    assert once.actions[0, :, 0].tolist() == [0, 0, 0] and once.rollout is not None
    np.testing.assert_array_equal(once.actions, stepped.actions)


def test_a_policy_with_limited_rates_is_unrolled_call_by_call(tmp_path):
    slow = msgspec.structs.replace(action_spec(), rate=(0.25, 0.25))
    card = msgspec.structs.replace(TOWARDS, action=slow)
    model = load(tmp_path, card, act_graph(card))
    assert model.unroll({"z": LATENT["z"][:1]}, GOAL, 3) is None
