"""The road from a recording to a running planner: bag, LeRobot data set, training, bundle, launch."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest

pytest.importorskip("av", reason="needs the extra `data`: the road from a bag to a launch is NOT tested")
pytest.importorskip("torch", reason="needs the extra `train`: the road from a bag to a launch is NOT tested")

from ros_bags import TOPICS, write_bag

from wm_planner.collection import CollectConfig, collect
from wm_planner.contracts.dataset import Episode
from wm_planner.contracts.quantity import Quantity
from wm_planner.data.forms import episode_at, form_of, open_dataset, writer
from wm_planner.world_models.onnx.card_file import read_card


def robot_data(folder):
    """Episodes of the arm with the state that the bag's topics carry."""
    collect(CollectConfig(scene="sim/panda_reach.py", episodes=6, steps=10, jobs=1), folder / "collected")
    data = open_dataset(folder / "collected")
    state = (Quantity(name="mass", size=1, unit="kg"), Quantity(name="tcp_position", size=3, unit="m"))
    with writer(
        folder / "robot", msgspec.structs.replace(data.meta, state=state, signals=()), "folder"
    ) as out:
        for index in range(data.meta.episodes):
            each = episode_at(data, index)
            mass = np.ones((len(each.action), 1), np.float32)
            out.add(Episode(each.images, np.concatenate([mass, each.state[:, :3]], axis=1), each.action))
        out.finish(6, {})
    return open_dataset(folder / "robot")


def wm(folder, *words):
    """The output of a command that runs in `folder`."""
    command = [sys.executable, "-m", "wm_planner.cli", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_bag_becomes_a_lerobot_data_set_a_model_and_a_launch(tmp_path):
    source = robot_data(tmp_path)
    bag = write_bag(tmp_path / "bag", source)
    (tmp_path / "topics.yaml").write_text(TOPICS)
    data, bundle = tmp_path / "lerobot", tmp_path / "bundle"
    wm(tmp_path, "convert", bag, data, "--to", "lerobot", "--topics", tmp_path / "topics.yaml")
    assert form_of(data) == "lerobot"
    converted = open_dataset(data)
    for name in ("images", "state", "action"):
        np.testing.assert_array_equal(converted.read(name, slice(None)), source.read(name, slice(None)))
    options = ["--recipe", "small", "--set", "iterations=20", "--data", data, "--out", tmp_path / "run"]
    wm(tmp_path, "train", "models/ac_jepa.py", *options)
    wm(tmp_path, "export", tmp_path / "run", "--out", bundle)
    card = read_card(bundle)
    assert card.training.data == {str(data): converted.checksum}
    assert card.training.effective_rank >= 1
    search = ("proposals=elites", "episodes=1", "steps=3")  # the bundle has no policy
    report = wm(tmp_path, "launch", "panda_reach", f"model={bundle}", *search)
    assert "success" in report
