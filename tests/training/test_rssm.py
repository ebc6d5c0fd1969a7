"""The recurrent state-space model of models/rssm.py, on yards of 16 pixels."""

import numpy as np
import pytest
import torch
from moving_dot import write

from wm_planner.collection import CollectConfig, collect
from wm_planner.contracts.observation import Observation
from wm_planner.data.episodes import EpisodeData
from wm_planner.errors import ConfigError, DatasetError
from wm_planner.training.clips import Clips
from wm_planner.training.export import export
from wm_planner.training.loop import train
from wm_planner.training.module import Past, load_model_file
from wm_planner.training.recipe import changed
from wm_planner.training.torch_model import TorchWorldModel
from wm_planner.world_models.episode_encoder import EpisodeEncoder
from wm_planner.world_models.onnx.model import OnnxWorldModel

torch.set_num_threads(1)
FILE = load_model_file("models/rssm.py")
TINY = {
    "picture": 8,
    "channels": [8],
    "memory": 16,
    "latent": 4,
    "hidden": 16,
    "clip": 6,
    "imagined": 2,
    "batch": 8,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "glide"
    collect(CollectConfig(scene="sprites,level=glide,size_px=16", episodes=12, steps=10, jobs=1), out)
    return EpisodeData.open(out)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    lines = []
    train("models/rssm.py", [data.path], folder, "planet", {**TINY, "iterations": 150}, report=lines.append)
    assert lines[-1].terms["picture"] < 0.8 * lines[0].terms["picture"]
    return folder


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    export(run, folder)
    return OnnxWorldModel.load(folder, device="cpu")


def network(data, **changes):
    torch.manual_seed(0)
    recipe = changed(FILE.recipe("planet"), {**TINY, **changes}, "planet")
    return FILE.build(recipe, Clips([data], recipe.clip).spec)


def batch(net, data, count=4):
    return Clips([data], 6).draw_for(net, count, np.random.default_rng(0))


def test_every_weight_gets_a_gradient(data):
    net = network(data)
    loss, terms = net.loss(batch(net, data), 0.0, torch.Generator().manual_seed(0))
    loss.backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in net.parameters())
    assert set(terms) == {"picture", "reward", "imagined_reward", "divergence"}


def test_the_filter_of_a_clip_is_the_encoder_carried_on_from_tick_to_tick(data):
    net = network(data).eval()
    clips = batch(net, data)
    noise = torch.zeros(4, 6, TINY["latent"])
    with torch.no_grad():
        h, z, _, _ = net._filter(clips, noise)
        memory = {spec.name: torch.ones(4, *spec.shape) for spec in net.latents}
        past = Past(memory, last_action=torch.ones(4, 2), fresh=torch.ones(4))  # which hides the other two
        for t in range(6):
            latent = net.encode(clips["images"][:, t], clips["state"][:, t], past)
            torch.testing.assert_close(latent["h"], h[:, t])
            torch.testing.assert_close(latent["z"], z[:, t])
            past = Past(latent, clips["action"][:, t], torch.zeros(4))


def test_a_divergence_below_the_free_nats_is_not_penalised(data):
    net = network(data, free_nats=1e9, reward_weight=0.0)
    net.loss(batch(net, data), 0.0, torch.Generator().manual_seed(0))[0].backward()
    assert all(weight.grad is None or not weight.grad.any() for weight in net.state.priors.parameters())


def test_rewards_are_in_the_unit_of_the_data(data):
    net = network(data)
    net.prepare(iter([batch(net, data)] * 40))
    assert -1.0 < net.reward_mean < -0.05
    latent = {"h": torch.zeros(3, 16), "z": torch.zeros(3, 4)}
    torch.nn.init.zeros_(net.reward[-1].weight)
    torch.nn.init.zeros_(net.reward[-1].bias)
    reward = net.step(latent, torch.zeros(3, 2), {"z": torch.zeros(3, 4)})["reward"]
    torch.testing.assert_close(reward, net.reward_mean.expand(3))


def test_noise_moves_the_imagined_state(data):
    net = network(data).eval()
    latent = {"h": torch.zeros(1, 16), "z": torch.zeros(1, 4)}
    calm, drawn = (net.step(latent, torch.zeros(1, 2), {"z": torch.full((1, 4), x)}) for x in (0.0, 1.0))
    assert torch.equal(calm["h"], drawn["h"])
    assert (drawn["z"] - calm["z"]).min() >= 0.1  # the smallest standard deviation


def test_the_memory_of_the_bundle_equals_that_of_torch_step_by_step(data, run, bundle):
    assert bundle.card.remembers and not bundle.note
    assert bundle.card.capabilities == ("reward", "surprise", "decode")
    encoders = [EpisodeEncoder(model) for model in (bundle, TorchWorldModel.of_run(run))]
    action, latents = None, []
    for t in range(8):
        shown = Observation({"above": data.images[t, 0]}, stamp_ns=t)
        latents = [encoder.encode(shown, action) for encoder in encoders]
        for name in ("h", "z"):
            np.testing.assert_allclose(latents[0][name], latents[1][name], atol=1e-5)
        ours, theirs = (encoder.outputs["surprise"] for encoder in encoders)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        action = data.action[t]
    forgotten = bundle.encode(Observation({"above": data.images[7, 0]}))
    assert np.abs(forgotten["h"] - latents[0]["h"]).max() > 1e-3


def test_imagined_states_are_decoded_to_pictures(data, bundle):
    latent = bundle.encode(Observation({"above": data.images[0, 0]}))
    imagined = bundle.rollout(latent, np.zeros((3, 2, 2), np.float32))
    assert imagined.outputs["reward"].shape == (3, 2)
    pictures = bundle.decode({name: array[:, -1] for name, array in imagined.latents.items()})["above"]
    assert pictures.shape == (3, 16, 16, 3) and pictures.dtype == np.uint8
    assert np.abs(pictures[0].mean(axis=(0, 1)) - data.images[:, 0].mean(axis=(0, 1, 2))).max() < 40


def test_data_that_does_not_fit_is_refused(data):
    with pytest.raises(ConfigError, match="16 pixels cannot be halved 5 times"):
        network(data, picture=16, channels=[8] * 5)
    with pytest.raises(ConfigError, match="imagined is 6, wanted less than the 6 of clip"):
        network(data, imagined=6)


def test_data_without_rewards_is_refused(tmp_path):
    dots = write(tmp_path / "dots", seed=0, episodes=2)
    with pytest.raises(DatasetError, match="has no 'reward', which this model learns from"):
        train("models/rssm.py", [dots.path], tmp_path / "run", "planet", TINY)
