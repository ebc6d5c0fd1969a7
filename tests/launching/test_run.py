import os
from pathlib import Path

import pytest

from wm_planner.errors import ConfigError
from wm_planner.launching.file import LaunchSpec, NodeSpec
from wm_planner.launching.run import LAUNCHED, RECORDING, Launched, discard, new_name, prepare, recording_of


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


def test_a_run_that_did_not_begin_leaves_no_folder(tmp_path):
    folder = prepare(tmp_path / "run", LaunchSpec("run", "lockstep", ()))
    discard(folder)
    assert not folder.exists()


def test_what_else_is_in_the_folder_of_a_run_that_did_not_begin_stays(tmp_path):
    folder = prepare(tmp_path / "run", LaunchSpec("run", "lockstep", ()))
    (folder / "notes.txt").touch()
    discard(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_name_is_found_where_another_user_holds_the_folder_of_the_domains(tmp_path, monkeypatch):
    closed = tmp_path / "wm"
    closed.mkdir(mode=0o000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o755)
    user = os.geteuid()
    if user == 0:  # root may enter every folder
        monkeypatch.chdir("/")
        os.seteuid(65534)
    try:
        assert new_name("reach").startswith("reach_")
    finally:
        os.seteuid(user)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"it holds no episodes\.mcap, wanted the folder of a run, runs/NAME"
    ):
        recording_of(tmp_path)
    (tmp_path / LAUNCHED).write_text("clock: lockstep\nnodes: 3\n")
    with pytest.raises(ConfigError, match=r"launch\.yaml: nodes: got 3, wanted a list of mappings"):
        Launched.read(tmp_path)


def test_a_folder_of_runs_and_a_wrong_name_are_answered_with_the_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"nowhere: there is no such folder, .*, `wm launch` makes some"):
        recording_of(Path("nowhere"))
    for name in ("reach", "later"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, RECORDING).touch()
    os.utime("runs/reach/episodes.mcap", (0, 0))
    with pytest.raises(ConfigError, match=r"runs holds 2 runs, wanted one of them; the newest is runs/later"):
        recording_of(Path("runs"))
    with pytest.raises(ConfigError, match=r"did you mean 'runs/reach'\?"):
        recording_of(Path("runs/reech"))
    with pytest.raises(ConfigError, match=r"mcap is a file, wanted the folder of a run: runs/reach"):
        recording_of(Path("runs/reach/episodes.mcap"))
    Path("runs/reach", LAUNCHED).touch()
    Path("runs/reach/episodes.mcap").unlink()
    with pytest.raises(ConfigError, match="the run had no recorder, or did not begin"):
        recording_of(Path("runs/reach"))
