from pathlib import Path

import pytest

from wm_planner.errors import ConfigError
from wm_planner.launching.file import LaunchSpec, NodeSpec
from wm_planner.launching.run import LAUNCHED, Launched, prepare, recording_of


def node(name: str, **params) -> NodeSpec:
    return NodeSpec(name, Path(f"nodes/{name}.py"), params, "never", False)


def test_the_folder_of_a_run_stores_its_configuration(tmp_path):
    nodes = (node("simulator", episodes=7), node("planner", world_model="models/x"))
    launched = Launched.read(prepare(tmp_path / "run", LaunchSpec("run", "lockstep", nodes)))
    assert (launched.clock, launched.episodes, launched.world_model) == ("lockstep", 7, "models/x")


def test_a_run_may_have_neither_episodes_nor_a_model(tmp_path):
    launched = Launched.read(prepare(tmp_path / "run", LaunchSpec("run", "realtime", (node("recorder"),))))
    assert (launched.episodes, launched.world_model) == (None, None)


def test_a_folder_that_exists_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="exists already; choose another --name"):
        prepare(tmp_path, LaunchSpec("run", "lockstep", ()))


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no episodes\.mcap"):
        recording_of(tmp_path)
    (tmp_path / LAUNCHED).write_text("clock: lockstep\nnodes: 3\n")
    with pytest.raises(ConfigError, match=r"launch\.yaml: nodes: got 3, wanted a list of mappings"):
        Launched.read(tmp_path)
