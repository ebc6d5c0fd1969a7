"""models/vjepa2_states.py: an encoder whose tokens tell the recorded states."""

import math

import numpy as np
import pytest
import torch

from wm_planner.errors import ConfigError
from wm_planner.training.clips import Clips
from wm_planner.training.loop import train
from wm_planner.training.module import load_model_file
from wm_planner.training.recipe import changed

torch.set_num_threads(1)
FILE = "models/vjepa2_states.py"
TINY = {
    "encoder": {"dim": 24, "depth": 1, "heads": 2},
    "picture": 16,
    "patch": 8,
    "states": {"tcp_position": [0, 1, 2]},
    "batch": 16,
    "iterations": 60,
    "warmup": 5,
    "anneal": 0,
    "learning_rate": 0.003,
}


def network(data, **changes):
    torch.manual_seed(0)
    file = load_model_file(FILE)
    recipe = changed(file.recipe("droid"), {**TINY, **changes}, "droid")
    return file.build(recipe, Clips([data], frames=2).spec)


@pytest.mark.parametrize("component", range(3))
def test_the_distance_of_codes_grows_with_the_difference_of_every_component(data, component):
    net = network(data)
    farthest = 0.5 * math.pi / net.turn * net.std[component]
    states = net.mean.repeat(9, 1)
    states[:, component] += torch.linspace(-0.5, 0.5, 9) * farthest
    codes = net.code(states)
    distances = (codes - codes[0]).abs().mean(dim=1)
    assert (distances.diff() > 0).all()
    torch.testing.assert_close(codes.mean(dim=1), torch.zeros(9), atol=1e-6, rtol=0)


def test_training_brings_the_tokens_to_the_code_and_an_action_model_starts_from_them(data, tmp_path):
    losses = []
    train(
        FILE, [data.path], tmp_path / "states", "droid", TINY, report=lambda p: losses.append(p.terms["code"])
    )
    at_random = network(data).loss(
        Clips([data], 2).draw(32, (), np.random.default_rng(0), reads=("tcp_position",)),
        0.0,
        torch.Generator(),
    )[0]
    assert losses[-1] < 0.8 * at_random
    changes = {
        **{key: TINY[key] for key in ("encoder", "picture", "patch")},
        "predictor": TINY["encoder"],
        "pretrained": str(tmp_path / "states"),
        "part": "encoder",
        "clip": 3,
        "iterations": 1,
        "batch": 2,
    }
    train("models/vjepa2_ac.py", [data.path], tmp_path / "ac", "small", changes, report=lambda p: None)
    before, after = (
        torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["model"] for run in ("states", "ac")
    )
    name = "encoder.blocks.0.attn.qkv.weight"
    assert torch.equal(before[name], after[name])


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        ({"tcp_position": [0, 3]}, "there is no 3, only 0 to 2"),
        ({"tcp_position": [0, 1]}, r"encoder\.dim is 20, wanted a multiple of 4 channels"),
        ({}, r"the 0 components of `states`"),
        ({"block_position": [0]}, "the data has no state 'block_position'"),
    ],
)
def test_states_that_the_data_or_the_width_do_not_have_are_refused(data, states, reason):
    with pytest.raises(ConfigError, match=reason):
        network(data, states=states, encoder={"dim": 20, "depth": 1, "heads": 2})
