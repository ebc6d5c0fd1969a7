import msgspec
import numpy as np
import pytest
import torch
from moving_dot import write

from wm_planner.config import convert
from wm_planner.errors import ConfigError
from wm_planner.evaluation.model_quality.prediction import measure
from wm_planner.training.clips import Clips
from wm_planner.training.loop import train
from wm_planner.training.module import load_model_file
from wm_planner.training.recipe import changed
from wm_planner.training.torch_model import TorchWorldModel

torch.set_num_threads(1)
FILE = load_model_file("models/ac_jepa.py")
TINY = {
    "small": {"picture": 16, "encoder.channels": [8, 16], "encoder.latent": 16, "encoder.hidden": 32},
    "tokens": {"picture": 16, "encoder.dim": 16, "encoder.heads": 1, "encoder.latent": 4},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "dots", seed=0, episodes=100)


@pytest.fixture(scope="module")
def spec(data):
    return Clips([data], frames=6).spec


def network(name, spec, **changes):
    torch.manual_seed(0)
    return FILE.build(changed(FILE.recipe(name), {**TINY[name], **changes}, name), spec)


def batch(data, state=("tcp_position",), count=4):
    return Clips([data], frames=6).draw(count, state, np.random.default_rng(0))


def perturb_zeros(net):
    """Initialise the layers that start at zero with random weights."""
    for parameter in net.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return net


def test_the_recipes_have_the_shipped_sizes(spec):
    real = msgspec.structs.replace(spec, height=64, width=64)
    small, tokens = (FILE.build(FILE.recipe(name), real) for name in ("small", "tokens"))
    assert {latent.name: latent.shape for latent in small.latents} == {"z": (64,)}
    assert {latent.name: latent.shape for latent in tokens.latents} == {
        "tokens": (32, 16),
        "tcp_position": (3,),
    }
    assert tokens.observation.input_shape == (3, 32, 64)


@pytest.mark.parametrize("name", ["small", "tokens"])
def test_every_weight_gets_a_gradient(name, data, spec):
    net = perturb_zeros(network(name, spec))
    loss, terms = net.loss(batch(data), 0.0, torch.Generator().manual_seed(0))
    loss.backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in net.parameters())
    assert set(terms) >= {"sigreg", f"one_step.{net.latents[0].name}", f"open_loop.{net.latents[0].name}"}


@pytest.mark.parametrize("name", ["small", "tokens"])
def test_a_frozen_encoder_keeps_its_weights_and_gets_no_gradient(name, data, spec):
    net = network(name, spec, train_encoder=False)
    net.loss(batch(data), 0.0, torch.Generator().manual_seed(0))[0].backward()
    assert all(weight.grad is None for weight in net.encoder.parameters())
    assert any(weight.grad is not None for weight in net.predictor.parameters())


def test_actions_can_be_scaled_by_typical_values(spec):
    net = network("small", spec, **{"encoder.action_scale": [0.01, 0.02, 0.05]})
    assert net.predictor.action_scale.tolist() == pytest.approx([0.01, 0.02, 0.05])
    with pytest.raises(ConfigError, match="has 2 values, wanted one per component: dx, dy, dz"):
        network("small", spec, **{"encoder.action_scale": [0.01, 0.02]})


def test_an_untrained_predictor_copies_the_tokens_and_adds_the_action_to_the_position(spec):
    net = network("tokens", spec).eval()
    latent = {"tokens": torch.randn(5, 8, 4), "tcp_position": torch.rand(5, 3)}
    action = torch.full((5, 3), 0.01)
    after = net.step(latent, action)
    torch.testing.assert_close(after["tokens"], latent["tokens"])
    torch.testing.assert_close(after["tcp_position"], latent["tcp_position"] + action)


def test_the_tokens_of_a_goal_image_do_not_depend_on_the_state(data, spec):
    net = network("tokens", spec).eval()
    images = torch.tensor(data.images[:3])
    seen, goal = net.encode(images, torch.rand(3, 3)), net.encode(images, torch.zeros(3, 3))
    assert torch.equal(seen["tokens"], goal["tokens"])
    assert torch.equal(goal["tcp_position"], torch.zeros(3, 3))


def test_later_frames_do_not_affect_earlier_ones(data, spec):
    net = perturb_zeros(network("tokens", spec)).eval()
    latent = {"tokens": torch.randn(2, 4, 8, 4), "tcp_position": torch.rand(2, 4, 3)}
    action = torch.rand(2, 4, 3) * 0.05
    before = net.predictor(latent, action)
    changed_latent = {name: array.clone() for name, array in latent.items()}
    changed_action = action.clone()
    for array in (*changed_latent.values(), changed_action):
        array[:, 2:] += 0.1
    after = net.predictor(changed_latent, changed_action)
    for name in latent:
        assert torch.equal(before[name][:, :2], after[name][:, :2])
        assert (before[name][:, 2:] != after[name][:, 2:]).any()


def test_earlier_frames_are_attended(data, spec):
    net = perturb_zeros(network("tokens", spec)).eval()
    latent = {"tokens": torch.randn(2, 2, 8, 4), "tcp_position": torch.rand(2, 2, 3)}
    both = net.predictor(latent, torch.zeros(2, 2, 3))["tokens"][:, 1]
    alone = net.step({name: array[:, 1] for name, array in latent.items()}, torch.zeros(2, 3))["tokens"]
    assert not torch.allclose(both, alone)


def test_one_deployed_step_is_the_first_frame_of_the_causal_predictor(data, spec):
    net = perturb_zeros(network("tokens", spec)).eval()
    latent = {"tokens": torch.randn(2, 4, 8, 4), "tcp_position": torch.rand(2, 4, 3)}
    action = torch.rand(2, 4, 3) * 0.05
    whole = net.predictor(latent, action)
    first = net.step({name: array[:, 0] for name, array in latent.items()}, action[:, 0])
    for name in latent:
        torch.testing.assert_close(whole[name][:, 0], first[name])


def test_sizes_that_do_not_fit_are_refused(spec):
    with pytest.raises(ConfigError, match="16x32 pixels does not divide into patches of 5"):
        network("tokens", spec, **{"encoder.patch": 5})
    planar = msgspec.structs.replace(
        spec,
        action=convert({"names": ["x"], "units": ["m"], "low": [-1.0], "high": [1.0]}, type(spec.action), ""),
    )
    with pytest.raises(ConfigError, match="tcp_position has 3 components, the action 1"):
        network("tokens", planar)


def test_a_few_seconds_of_training_beat_copying(data, tmp_path):
    changes = {**TINY["small"], "iterations": 250, "warmup": 20, "learning_rate": 3e-3}
    train("models/ac_jepa.py", [data.path], tmp_path / "run", "small", changes, report=lambda progress: None)
    held_out = write(tmp_path / "held_out", seed=1, episodes=10)
    report = measure(TorchWorldModel.of_run(tmp_path / "run"), held_out, "z", horizons=(1, 5))
    assert max(report.relative_error.values()) < 0.5
    assert report.shuffled_error[1] > 2 * report.relative_error[1]
    assert report.effective_rank > 1.5
