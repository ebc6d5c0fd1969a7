"""Memory, noise and hidden arrays of a bundle."""

import numpy as np
import pytest
from glider import write_glider
from point_mass import make_card, write_bundle

from wm_planner.contracts.card import NoiseSpec
from wm_planner.contracts.observation import Observation
from wm_planner.errors import BundleError, ShapeError
from wm_planner.world_models.episode_encoder import EpisodeEncoder
from wm_planner.world_models.onnx.model import OnnxWorldModel

ACTIONS = np.random.default_rng(0).uniform(-1, 1, (5, 3, 2)).astype(np.float32)
PUSH = np.array([0.5, 0.0], np.float32)


def at(x, y, stamp_ns=0):
    return Observation({}, {"position": np.array([x, y])}, stamp_ns)


@pytest.fixture
def model(tmp_path):
    write_glider(tmp_path / "glider")
    return OnnxWorldModel.load(tmp_path / "glider", device="cpu")


@pytest.fixture
def plain(tmp_path):
    write_bundle(tmp_path / "toy", make_card())
    return OnnxWorldModel.load(tmp_path / "toy", device="cpu")


def test_encode_carries_memory_and_the_last_action_over(model):
    first = model.encode(at(1, 1))
    np.testing.assert_array_equal(first["v"], [[0, 0]])  # a reset: speed is invisible in one observation
    second, outputs = model.encode_with_outputs(at(3, 1), last_action=PUSH, memory=first)
    np.testing.assert_array_equal(second["v"], [[2, 0]])
    np.testing.assert_array_equal(second["trail"], [[1]])
    np.testing.assert_allclose(outputs["surprise"], [1.5**2])  # at (1.5, 1) was where the push would lead
    np.testing.assert_array_equal(model.encode(at(3, 1))["v"], [[0, 0]])


def test_noise_of_the_encoder_moves_what_it_sees_and_is_calm_otherwise(model):
    seen = model.encode(at(1, 1), noise={"blur": np.array([[0.5, -0.5]])})
    np.testing.assert_array_equal(seen["z"], [[1.5, 0.5]])
    np.testing.assert_array_equal(model.encode(at(1, 1))["z"], [[1, 1]])


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("count", [1, 5])
def test_noise_goes_through_a_rollout_in_one_call_as_step_by_step(model, rows, count):
    gusts = np.random.default_rng(1).standard_normal((rows, 3, 2)).astype(np.float32)
    latent = {name: np.repeat(array, count, axis=0) for name, array in model.encode(at(1, 2)).items()}
    once = model.rollout(latent, ACTIONS, {"gust": gusts})
    stepped = model.step_by_step(latent, ACTIONS, {"gust": gusts})
    speed = np.cumsum(ACTIONS + gusts, axis=1)
    np.testing.assert_allclose(once.latents["z"], np.cumsum(speed, axis=1) + np.array([1, 2]), atol=1e-5)
    for kind in ("latents", "states", "outputs"):
        for name, array in getattr(once, kind).items():
            np.testing.assert_allclose(getattr(stepped, kind)[name], array, atol=1e-5)


def test_noise_is_calm_unless_given(model):
    latent = model.encode(at(0, 0))
    calm = np.zeros((1, 3, 2))
    given, none = model.rollout(latent, ACTIONS, {"gust": calm}), model.rollout(latent, ACTIONS)
    np.testing.assert_array_equal(given.latents["z"], none.latents["z"])
    stepped, outputs = model.step(latent, ACTIONS[:1, 0], {"gust": np.ones((1, 2))})
    np.testing.assert_allclose(stepped["v"], ACTIONS[:1, 0] + 1)
    assert set(outputs) == {"reward", "continue"}


def test_a_uniform_noise_is_calm_at_its_middle():
    kinds = {
        kind: NoiseSpec(name="eps", shape=(1,), kind=kind).calm for kind in ("normal", "uniform", "gumbel")
    }
    assert kinds == {"normal": 0, "uniform": 0.5, "gumbel": 0}


def test_hidden_arrays_move_but_are_not_kept(model):
    latent = model.encode(at(0, 0))
    rollout = model.rollout(latent, ACTIONS)
    assert set(rollout.latents) == {"z", "v"} and set(rollout.states) == {"z"}
    stepped, _ = model.step(latent, ACTIONS[:1, 0])
    np.testing.assert_array_equal(stepped["trail"], [[1]])
    assert "latent:trail" not in model.card.offers
    assert "output:surprise" not in model.card.offers and "output:reward" in model.card.offers


def test_memory_of_another_model_is_refused(model):
    memory = model.encode(at(0, 0))
    with pytest.raises(ShapeError, match=r"memory z has shape \(1, 9\), the card of glider says \(1, 2\)"):
        model.encode(at(0, 0), PUSH, memory | {"z": np.zeros((1, 9))})
    with pytest.raises(ShapeError, match="memory trail is missing"):
        model.encode(at(0, 0), PUSH, {"z": memory["z"], "v": memory["v"]})
    with pytest.raises(ShapeError, match="memory without last_action, which glider needs"):
        model.encode(at(0, 0), memory=memory)
    with pytest.raises(ShapeError, match=r"last_action is \[0.5\], the card of glider says 2 finite"):
        model.encode(at(0, 0), PUSH[:1], memory)
    with pytest.raises(ShapeError, match=r"last_action is \[nan, 0.0\]"):
        model.encode(at(0, 0), [np.nan, 0], memory)


def test_what_a_graph_does_not_take_is_refused(model, plain):
    seen = Observation({"front": np.zeros((4, 4, 3), np.uint8)}, {"position": np.zeros(2)})
    latent = plain.encode(seen)
    with pytest.raises(ShapeError, match="given memory and last_action, which toy does not take"):
        plain.encode(seen, PUSH, latent)
    with pytest.raises(ShapeError, match="given last_action, which toy does not take"):
        plain.encode(seen, PUSH)
    for call in (plain.rollout, plain.step_by_step):
        with pytest.raises(ShapeError, match=r"step graph of toy takes no noise gust \(card: noise: none\)"):
            call(latent, ACTIONS, {"gust": np.zeros((1, 3, 2))})
    with pytest.raises(ShapeError, match=r"encode graph of glider takes no noise gust"):
        model.encode(at(0, 0), noise={"gust": np.zeros((1, 2))})
    with pytest.raises(ShapeError, match=r"noise gust has shape \(2, 3, 2\), the card of glider says"):
        model.rollout(model.encode(at(0, 0)), ACTIONS, {"gust": np.zeros((2, 3, 2))})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"remembers": False},
            "has an input '(memory|fresh|last)[^']*' that the card does not imply",
        ),
        ({"noise": ()}, "encode.onnx has an input 'noise.blur' that the card does not imply"),
        ({"capabilities": ("reward", "continue")}, "has an output 'output.surprise' that the card does not"),
        (
            {"noise": (NoiseSpec(name="blur", shape=(3,), kind="normal", graph="encode"),)},
            r"noise.blur says \[1, 3\], input noise.blur is \[1, 2\]",
        ),
    ],
)
def test_a_card_that_disagrees_with_its_graphs_is_refused(tmp_path, changes, reason):
    write_glider(tmp_path / "glider", **changes)
    with pytest.raises(BundleError, match=reason):
        OnnxWorldModel.load(tmp_path / "glider", device="cpu")


# --- over an episode


def test_an_episode_is_encoded_in_order_and_no_instant_twice(model):
    encoder = EpisodeEncoder(model)
    encoder.encode(at(1, 1, 0), None)
    second = encoder.encode(at(3, 1, 100), PUSH)
    assert encoder.encode(at(3, 1, 100), PUSH) is second  # a repeated tick
    third = encoder.encode(at(4, 1, 200), PUSH)
    np.testing.assert_array_equal([second["v"][0], third["v"][0]], [[2, 0], [1, 0]])
    np.testing.assert_array_equal([second["trail"][0], third["trail"][0]], [[1], [2]])
    np.testing.assert_allclose(encoder.outputs["surprise"], [1.5**2])
    encoder.reset()
    np.testing.assert_array_equal(encoder.encode(at(3, 1, 200), PUSH)["trail"], [[0]])


def test_memory_starts_anew_where_the_action_in_between_is_not_known(model):
    encoder = EpisodeEncoder(model)
    encoder.encode(at(1, 1, 0), None)
    np.testing.assert_array_equal(encoder.encode(at(3, 1, 100), None)["v"], [[0, 0]])


def test_a_model_without_memory_is_encoded_as_ever(plain):
    encoder = EpisodeEncoder(plain)
    seen = Observation({"front": np.full((4, 4, 3), 7, np.uint8)}, {"position": np.zeros(2)})
    np.testing.assert_array_equal(encoder.encode(seen, PUSH)["z"], plain.encode(seen)["z"])
