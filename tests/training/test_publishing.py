"""`wm export --layout vjepa2_ac`: a run becomes a file that `wm import` turns into the same model."""

import re
import sys

import numpy as np
import pytest
import torch
from moving_dot import write as write_dots

from wm_planner.cli import main
from wm_planner.contracts.dataset import Episode, Meta
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.data.episode_writer import EpisodeWriter
from wm_planner.errors import BundleError, ConfigError
from wm_planner.training import bundle
from wm_planner.training.export import export
from wm_planner.training.importing import DROID, Heads, import_checkpoint
from wm_planner.training.loop import train
from wm_planner.training.publishing import publish
from wm_planner.world_models.onnx import call_size
from wm_planner.world_models.onnx.model import OnnxWorldModel

torch.set_num_threads(1)
RNG = np.random.default_rng(0)
VIT = {"dim": 24, "depth": 1, "heads": 2}
RECIPE = {
    "encoder": VIT,
    "predictor": {**VIT, "dim": 32},
    "picture": 32,
    "patch": 8,
    "clip": 3,
    "batch": 2,
    "iterations": 3,
    "warmup": 1,
    "anneal": 0,
    "context": 2,
    "tokens": "normed",
    "slow_features": 0,
    "units": "scaled",
}
HEADS = Heads(encoder=2, predictor=2)


def pictures(count):
    return RNG.integers(256, size=(count, 1, 256, 256, 3), dtype=np.uint8)


def poses(count):
    return (np.array([0.5, 0, 0.2, 3.1, 0, 0.1, 0.4]) + 0.05 * RNG.standard_normal((count, 7))).astype("f4")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A few random pictures and poses like those of DROID."""
    path, action = tmp_path_factory.mktemp("data") / "droid", DROID.action
    meta = Meta(
        scene="droid",
        revision="none",
        first_seed=0,
        seeds_tried=2,
        rejected={},
        episodes=2,
        steps=3,
        cameras=DROID.cameras,
        image_size=(256, 256),
        state=(Quantity(name="tcp_pose", size=7, unit="m, rad, share closed"),),
        action_names=action.names,
        action_units=action.units,
        action_low=action.low,
        action_high=action.high,
        control_dt_s=0.25,
    )
    with EpisodeWriter(path, meta) as writer:
        for _ in range(2):
            actions = RNG.uniform(action.low, action.high, (4, 7)).astype(np.float32)
            writer.add(Episode(images=pictures(4), state=poses(4), action=actions))
        writer.finish(2, {})
    return path


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "ac"
    train("models/vjepa2_ac.py", [data], path, "small", RECIPE, report=lambda progress: None)
    return path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(bundle, "BATCHES", (1, 3))
    monkeypatch.setattr(call_size, "BUDGET_S", 0.05)


def test_a_published_run_is_imported_as_the_same_model(run, tmp_path):
    file = tmp_path / "published.pt"
    assert publish(run, file).heads == {"encoder": 2, "predictor": 2}
    names = {part: set(arrays) for part, arrays in torch.load(file, weights_only=True).items()}
    assert "module.backbone.blocks.0.attn.qkv.weight" in names["encoder"]
    assert "module.predictor_blocks.0.attn.qkv.weight" in names["predictor"]

    export(run, tmp_path / "own")
    card, _ = import_checkpoint(file, tmp_path / "imported", context=2, heads=HEADS)
    assert card.observation.input_shape == (3, 256, 256)
    own, imported = (OnnxWorldModel.load(tmp_path / name, device="cpu") for name in ("own", "imported"))
    seen = Observation({"front": pictures(1)[0, 0]}, {"tcp_pose": poses(1)[0]})
    latents = [model.encode(seen) for model in (own, imported)]
    for _ in range(2):  # the second step attends to the first
        np.testing.assert_allclose(latents[0]["tokens"], latents[1]["tokens"], atol=1e-5)
        action = RNG.uniform(DROID.action.low, DROID.action.high, (1, 7)).astype(np.float32)
        latents = [model.step(z, action)[0] for model, z in zip((own, imported), latents, strict=True)]
    moved = np.abs(latents[0]["tokens"] - own.encode(seen)["tokens"]).max()
    assert moved > 0.1  # so that equal tokens say something about the step


def test_the_export_prints_the_command_of_the_import(run, tmp_path, monkeypatch, capsys):
    out = tmp_path / "mine.pt"
    monkeypatch.setattr(sys, "argv", ["wm", "export", str(run), "--out", str(out), "--layout", "vjepa2_ac"])
    with pytest.raises(SystemExit) as ended:
        main.main()
        sys.exit(0)
    assert not ended.value.code
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(r"wm import \S*mine\.pt --out MINE --encoder-heads 2 --predictor-heads 2", printed)


def test_what_the_published_layout_cannot_hold_is_refused_and_nothing_is_written(data, run, tmp_path):
    whitened = tmp_path / "whitened"
    changes = {**RECIPE, "tokens": "whitened"}
    train("models/vjepa2_ac.py", [data], whitened, "small", changes, report=lambda progress: None)
    with pytest.raises(ConfigError, match="train with tokens=normed"):
        publish(whitened, tmp_path / "x.pt")
    dots = write_dots(tmp_path / "dots", seed=0)
    sizes = {"picture": 16, "iterations": 1, "batch": 2, "warmup": 1}
    train("models/ac_jepa.py", [dots.path], tmp_path / "jepa", "small", sizes, report=lambda progress: None)
    with pytest.raises(BundleError, match=r"no published layout: wanted a run of models/vjepa2_ac\.py"):
        publish(tmp_path / "jepa", tmp_path / "x.pt")
    positions = tmp_path / "positions"
    changes = {**RECIPE, "picture": 16, "patch": 4}
    train("models/vjepa2_ac.py", [dots.path], positions, "small", changes, report=lambda progress: None)
    with pytest.raises(ConfigError, match="its actions are dx, dy, dz, those of the published layout have 7"):
        publish(positions, tmp_path / "x.pt")
    with pytest.raises(BundleError, match=r"wanted a file that ends in \.pt"):
        publish(run, tmp_path / "x.bin")
    (tmp_path / "kept.pt").touch()
    with pytest.raises(BundleError, match="exists already; use --replace"):
        publish(run, tmp_path / "kept.pt")
    assert not list(tmp_path.glob("x*"))
