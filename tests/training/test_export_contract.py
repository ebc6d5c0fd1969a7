"""One tiny export that uses all of the contract: memory, noise, roles, outputs, a decoder."""

import numpy as np
import pytest
import torch
from torch import nn

from wm_planner.contracts.card import (
    ActionSpec,
    LatentSpec,
    NoiseSpec,
    ObservationSpec,
    Quantity,
    TrainingRecord,
)
from wm_planner.contracts.observation import Observation
from wm_planner.errors import BundleError, ConfigError
from wm_planner.training.bundle import write_bundle
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.device_model import DeviceModel
from wm_planner.training.graphs import EncodeGraph, StepGraph
from wm_planner.training.module import TrainableModel
from wm_planner.training.parity import relative_error
from wm_planner.training.torch_model import TorchGraph, TorchWorldModel
from wm_planner.training.trained import model_card
from wm_planner.world_models.onnx.model import OnnxWorldModel

CHOICES = ActionSpec(names=("key",), units=("",), low=(0.0,), high=(2.0,), choices=3)
POSITION = Quantity(name="position", size=2, unit="m")
EVERYTHING = ("reward", "continue", "surprise", "decode")


class Everything(TrainableModel):
    """Position and speed of a dot, a code of its picture, and one array of every role."""

    about = "All parts of the contract."
    latents = (
        LatentSpec(name="h", shape=(4,)),
        LatentSpec(name="code", shape=(2,), dtype="int64"),
        LatentSpec(name="frame", shape=(2, 2), role="hidden"),
        LatentSpec(name="wind", shape=(4,), role="shared"),
        LatentSpec(name="calls", shape=(1,), role="cache"),
    )
    observation = ObservationSpec(
        cameras=("front",),
        height=4,
        width=4,
        joined="channels",
        input_shape=(3, 4, 4),
        state=(POSITION,),
    )
    capabilities = EVERYTHING
    noise = (
        NoiseSpec(name="blur", shape=(4,), kind="normal", graph="encode"),
        NoiseSpec(name="draw", shape=(4,), kind="gumbel"),
    )
    remembers = True
    futures = 4

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.see, self.carry, self.move = nn.Linear(50, 4), nn.Linear(5, 4), nn.Linear(5, 4)

    def loss(self, batch, progress, generator):
        raise NotImplementedError

    def encode(self, images, state, past, noise):
        pixels = images.flatten(1).to(torch.float32) / 255
        known = 1 - past.fresh[:, None]
        before = self.carry(torch.cat((past.memory["h"], past.last_action), dim=1))
        h = torch.tanh(self.see(torch.cat((pixels, state), dim=1)) + known * before + noise["blur"])
        return {
            "h": h,
            "code": (4 * h[:, :2]).round().to(torch.int64),
            "frame": h.reshape(-1, 2, 2) + known[..., None] * past.memory["frame"],
            "wind": past.memory["wind"] * known + 0.5 * past.fresh[:, None],
            "surprise": (known * before).square().mean(dim=1),
        }

    def step(self, latent, action, noise):
        h = torch.tanh(self.move(torch.cat((latent["h"] + noise["draw"], action), dim=1))) + latent["wind"]
        return {
            "h": h,
            "code": latent["code"] + 1,
            "frame": latent["frame"] + h.reshape(-1, 2, 2),
            "calls": latent["calls"] + 1,
            "reward": 300 * h.sum(dim=1),
            "continue": torch.sigmoid(h[:, 0]),
        }

    def decode(self, latent):
        shade = (255 * torch.sigmoid(latent["h"][:, :1])).round().to(torch.uint8)
        return shade[:, :, None, None, None].expand(-1, 1, 4, 4, 3)


def data(action):
    return DataSpec(
        cameras=("front",),
        height=4,
        width=4,
        state=(POSITION,),
        state_mean=(0.0, 0.0),
        state_std=(1.0, 1.0),
        action=action,
        control_dt_s=0.1,
    )


def card_of(network, graphs):
    record = TrainingRecord(command=("by hand",), revision="none", recipe={})
    return model_card(network, "everything", "models/everything.py", data(CHOICES), graphs, record)


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("everything") / "bundle"
    network = Everything().eval()
    write_bundle(network, CHOICES, folder, lambda graphs: card_of(network, graphs))
    return folder


@pytest.fixture(scope="module")
def bundle(bundle_folder):
    return OnnxWorldModel.load(bundle_folder, device="cpu")


@pytest.fixture(scope="module")
def reference():
    network = Everything().eval()
    graphs = (EncodeGraph(network, CHOICES), StepGraph(network, CHOICES))
    return TorchWorldModel(card_of(network, {}), *map(TorchGraph.of_module, graphs))


def seen(value):
    return Observation({"front": np.full((4, 4, 3), value, np.uint8)}, {"position": np.array([0.1, 0.2])})


def test_the_card_says_all_that_the_network_says(bundle):
    card = bundle.card
    assert card.remembers and card.futures == 4
    assert card.capabilities == EVERYTHING and card.noise == Everything.noise
    assert card.latents == Everything.latents
    assert set(card.graphs) == {"encode", "step", "decode"}
    assert not bundle.note


def test_the_bundle_equals_torch_over_two_ticks_and_a_rollout(bundle, reference):
    latents, blur = [], {"blur": np.full((1, 4), 0.3, np.float32)}
    for model in (bundle, reference):
        first = model.encode(seen(40))
        second, outputs = model.encode_with_outputs(seen(90), np.array([2.0]), first, blur)
        latents.append({**second, **outputs})
    for name, array in latents[0].items():
        np.testing.assert_allclose(array, latents[1][name], atol=1e-5)
    assert latents[0]["surprise"] > 0
    start = {name: latents[0][name] for name in ("h", "code", "frame", "wind")}
    actions = np.array([[[0], [1]], [[2], [2]], [[1], [0]]], np.float32)
    noise = {"draw": np.random.default_rng(0).gumbel(size=(1, 2, 4))}
    ours, theirs = (model.rollout(start, actions, noise) for model in (bundle, reference))
    assert set(ours.latents) == {"h", "code"} and set(ours.outputs) == {"reward", "continue"}
    for kind in ("latents", "outputs"):
        for name, array in getattr(ours, kind).items():
            np.testing.assert_allclose(array, getattr(theirs, kind)[name], rtol=1e-4)


def test_imagined_latents_are_decoded_to_pictures(bundle):
    latent = bundle.encode(seen(40))
    imagined = bundle.rollout(latent, np.zeros((3, 2, 1), np.float32)).latents["h"]
    pictures = bundle.decode({"h": imagined.reshape(6, 4)})["front"]
    assert pictures.shape == (6, 4, 4, 3) and pictures.dtype == np.uint8
    shade = 255 / (1 + np.exp(-imagined[2, 1, 0]))
    assert abs(int(pictures[5, 0, 0, 0]) - shade) <= 1


def test_rollouts_that_stay_in_torch_equal_those_of_the_bundle_in_every_role(bundle, bundle_folder):
    models = DeviceModel.load(bundle_folder), DeviceModel.of_network(Everything().eval(), bundle.card)
    start = bundle.encode(seen(40))
    actions = np.array([[[0], [1]], [[2], [2]], [[1], [0]]], np.float32)
    noise = {"draw": np.random.default_rng(0).gumbel(size=(3, 2, 4)).astype(np.float32)}
    several = {
        name: array if name == "wind" else np.repeat(array, 3, axis=0) for name, array in start.items()
    }
    for model in models:
        for given, latent in ((noise, start), (None, start), (noise, several)):
            wanted, found = bundle.rollout(latent, actions, given), model.rollout(latent, actions, given)
            for kind in ("latents", "outputs"):
                assert set(getattr(found, kind)) == set(getattr(wanted, kind))
                for name, array in getattr(found, kind).items():
                    np.testing.assert_allclose(array, getattr(wanted, kind)[name], rtol=1e-4, atol=1e-5)


class StatesOnly(TrainableModel):
    """z' = z + a, of states alone; the decoder is missing."""

    about = "States only."
    latents = (LatentSpec(name="z", shape=(2,)),)
    observation = ObservationSpec(state=(POSITION,))

    def loss(self, batch, progress, generator):
        raise NotImplementedError

    def encode(self, images, state):
        assert images.shape[1] == 0
        return {"z": state}

    def step(self, latent, action):
        return {"z": latent["z"] + action}


def test_a_model_of_states_alone_needs_no_camera():
    action = ActionSpec(names=("x", "y"), units=("m", "m"), low=(-np.inf, -1.0), high=(np.inf, 1.0))
    network = StatesOnly()
    graphs = EncodeGraph(network, action), StepGraph(network, action)
    assert graphs[0].inputs == ["state"] and graphs[1].inputs == ["z", "action"]
    rng = np.random.default_rng(0)
    latent, actions = graphs[1].example(7, rng)
    latent, actions = latent.numpy(), actions.numpy()
    assert latent.shape == (7, 2) and len(np.unique(latent[:, 0])) > 1  # latents of several states
    assert np.isfinite(actions).all() and np.abs(actions[:, 1]).max() <= 1
    with pytest.raises(ConfigError, match="StatesOnly has no decoder"):
        network.decode({})


def test_discrete_actions_are_tried_as_choices():
    network = Everything().eval()
    *_, action, _ = StepGraph(network, CHOICES).example(64, np.random.default_rng(0))
    assert set(np.unique(action)) == {0, 1, 2}


def test_errors_are_relative_where_values_are_large():
    wanted = [np.array([500.0, 0.5], np.float32)]
    assert relative_error("step", wanted, [wanted[0] + np.float32(0.05)]) == pytest.approx(1e-4, rel=0.01)
    small = [np.array([0.5], np.float32)]
    assert relative_error("step", small, [small[0] + np.float32(0.05)]) == pytest.approx(0.05)
    assert np.isnan(relative_error("step", small, [small[0] * np.float32(np.nan)]))


def test_a_pixel_may_round_the_other_way_but_no_more():
    wanted = [np.full((2, 4), 100, np.uint8)]
    assert relative_error("decode", wanted, [wanted[0] + np.uint8(1)]) == 0
    with pytest.raises(BundleError, match="decode: pixels of ONNX Runtime differ from torch's by 2 levels"):
        relative_error("decode", wanted, [wanted[0] + np.uint8(2)])


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_a_few_whole_numbers_may_be_ties(dtype):
    wanted = [np.arange(1000).astype(dtype)]
    got = wanted[0].copy()
    got[:5] += 7
    assert relative_error("step", wanted, [got]) == 0
    got[:20] += 7
    with pytest.raises(BundleError, match=r"step: 2\.\d% of the whole numbers"):
        relative_error("step", wanted, [got])
