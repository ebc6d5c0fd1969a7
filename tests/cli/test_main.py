"""Invalid input on the command line: what was got, what was wanted, what to do; exit code 2."""

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from wm_planner import share
from wm_planner.cli import main
from wm_planner.launching import file as launch_file


@pytest.fixture
def wm(monkeypatch, capsys, tmp_path):
    """Call `wm` in this process, in an empty folder: its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["wm", *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
            sys.exit(0)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), " ".join((captured.out + captured.err).split())

    return call


def test_the_version_is_that_of_the_package(wm):
    assert wm("--version") == (0, f"wm {metadata.version('wm-planner')}")


@pytest.mark.parametrize("command", [[], ["launch"], ["export"], ["eval", "driving"], ["bench", "success"]])
def test_the_help_shows_no_type_next_to_a_flag(wm, command):
    code, printed = wm(*command, "--help")
    assert code == 0
    assert "--help" in printed and "bool" not in printed.lower()


def test_collect_prints_what_was_rejected_in_words(wm, monkeypatch):
    meta = SimpleNamespace(episodes=4, steps=6, rejected={"left the workspace": 2})
    monkeypatch.setattr("wm_planner.collection.collect", lambda *arguments: meta)
    wanted = "data: 4 episodes of 6 steps, rejected: 2 (left the workspace)"
    assert wm("collect", "sim/panda_reach.py", "--out", "data") == (0, wanted)
    meta.rejected = {"left the workspace": 0}
    assert wm("collect", "sim/panda_reach.py", "--out", "data")[1].endswith("rejected: none")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("lunch",), "No such command 'lunch'. Did you mean 'launch', 'bench'? (see `wm --help`)"),
        (
            ("demo", "episodes=2"),
            "Got unexpected extra argument(s) (episodes=2), wanted --episodes 2 (see `wm demo --help`)",
        ),
        (("launch",), "Missing argument 'file' (see `wm launch --help`)"),
        (("launch", "--name"), "Option '--name' requires an argument (see `wm --help`)"),
        (("collect", "x", "--episodes", "some"), "Invalid value for '--episodes': "),
        (("eval", "driving", "x", "--nope"), "No such option: --nope (see `wm eval driving --help`)"),
    ],
)
def test_a_wrong_command_line_is_answered_in_one_line(monkeypatch, capsys, arguments, answer):
    monkeypatch.setattr(sys, "argv", ["wm", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {answer}") and err.endswith("--help`)\n")


@pytest.mark.parametrize("arguments", [(), ("bench",)])
def test_without_a_command_the_help_is_printed(wm, arguments):
    code, said = wm(*arguments)
    assert code == 2
    assert "Commands" in said and "error:" not in said


def test_launch_files_are_listed_with_the_first_line_of_each(wm):
    code, printed = wm("launch", "--list")
    assert code == 0
    assert "panda_reach A Panda arm brings its fingertips to where a goal picture shows them." in printed
    assert "drive_merge " in printed


def test_the_help_of_a_launch_file_lists_its_arguments_with_defaults_and_comments(wm):
    code, printed = wm("launch", "panda_reach", "--help")
    assert code == 0
    assert "A Panda arm brings its fingertips" in printed
    assert "clock lockstep or realtime episodes 10 steps 30 control periods of 0.2 s" in printed
    assert "argument=value" in wm("launch", "--help")[1]
    assert "unknown launch file 'panda_rich', did you mean" in wm("launch", "panda_rich", "--help")[1]


def test_an_unknown_launch_file_is_answered_with_the_closest(wm):
    code, said = wm("launch", "panda_rich")
    assert code == 2
    assert "unknown launch file 'panda_rich', did you mean 'panda_reach'?" in said


def test_an_unknown_argument_is_answered_with_the_closest(wm):
    code, said = wm("launch", "panda_reach", "episode=3")
    assert code == 2
    assert "no argument 'episode', did you mean 'episodes'?" in said


def test_an_argument_of_another_type_is_answered_with_the_expected_type(wm):
    code, said = wm("launch", "panda_reach", "episodes=many")
    assert code == 2
    assert "episodes=many: wanted int, as in episodes=10" in said


@pytest.mark.parametrize(
    ("line", "wrong", "answer"),
    [
        ("  - exec: planner", "  - exec: planer", "no node 'planer', did you mean 'planner'?"),
        (
            "respawn: $(respawn)",
            "respwan: $(respawn)",
            "nodes[1]: unknown key 'respwan', did you mean 'respawn'?",
        ),
        ("steps: $(steps)", "stps: $(steps)", "unknown key 'stps', did you mean 'steps'?"),
        ("clock: $(clock)", "clock: $(clok)", "no argument 'clok', did you mean 'clock'?"),
        ("nodes:", "nodes: [", "not valid YAML"),
    ],
)
def test_a_mistake_in_a_launch_file_is_reported_with_its_place(wm, tmp_path, line, wrong, answer):
    text = share.find("launch/panda_reach.yaml").read_text()
    assert line in text
    (tmp_path / "mine.yaml").write_text(text.replace(line, wrong, 1))
    code, said = wm("launch", "mine.yaml")
    assert code == 2
    assert "mine.yaml" in said
    assert answer in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("--name", "../up"), "--name '../up': wanted a name of at most 64 letters"),
        (("--name", "a b"), "--name 'a b': wanted a name of at most 64 letters"),
        (("model=models/panda_reech",), "did you mean 'models/bundles/panda_reach'?"),
        (("episodes=0",), "params.episodes: got 0, wanted an integer >= 1"),
        (("clock=real",), "clock: got 'real', did you mean 'realtime'?"),
        (
            ("model=models/panda_reech",),
            "panda_reach.yaml: nodes[1] (perception): models/panda_reech",
        ),
        (("deadline_s=soon",), "deadline_s=soon: wanted float, as in deadline_s=0.1"),
    ],
)
def test_an_invalid_launch_is_refused_before_anything_is_created(wm, tmp_path, arguments, answer):
    code, said = wm("launch", "panda_reach", *arguments)
    assert code == 2, said
    assert answer in said
    assert [*tmp_path.iterdir()] == [] and not (tmp_path.parent / "up").exists()


def test_a_missing_file_is_reported_with_its_place_and_files_of_its_kind(wm, tmp_path):
    code, said = wm("launch", "drive_merge", "scenario=sim/drive_merg.xml")
    assert code == 2
    assert "drive_merge.yaml: nodes[0] (simulator).params.simulator: sim/drive_merg.xml: no such file" in said
    assert "did you mean 'sim/drive_merge.xml'?" in said and "panda" not in said
    text = share.find("launch/panda_reach.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("sim/panda_reach.xml", "sim/panda_rech.xml"))
    code, said = wm("launch", "mine.yaml")
    assert code == 2
    assert "mine.yaml: nodes[3] (controller)" in said
    assert "did you mean 'sim/panda_reach.xml'?" in said and "drive" not in said


def test_unknown_traffic_agents_are_refused_before_the_start(wm, tmp_path):
    code, said = wm("launch", "drive_merge", "agents=imd")
    assert code == 2
    assert "(simulator).params.simulator: agents: unknown traffic agents 'imd', did you mean 'idm'?" in said
    assert [*tmp_path.iterdir()] == []


def test_numbers_may_be_written_with_an_exponent():
    path = launch_file.find("panda_reach")
    assert launch_file.load(path, "x", ["deadline_s=1e-2"]).nodes[2].params["deadline_s"] == 0.01


def test_a_missing_package_is_reported_with_its_extra(wm, monkeypatch):
    def train(**options: object) -> None:
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")

    monkeypatch.setattr(main, "wm", train)
    code, said = wm("train")
    assert code == 2
    assert "needs the package 'torch', which is not installed: pip install 'wm-planner[train]'" in said


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("eval", "nothing"), "nothing: there is no such folder, wanted the folder of a run, runs/NAME"),
        (("collect", "panda_reach", "--out", "x"), "did you mean 'sim/panda_reach.py'?"),
        (("collect", "gymm", "--out", "x"), "did you mean 'gym'?"),
        (("collect", "sim/panda_reach.xml", "--out", "x"), "is a MuJoCo model, wanted a scene file"),
        (("collect", "sim/panda_reech.py", "--out", "x"), "did you mean 'sim/panda_reach.py'?"),
        (("collect", "sim/cartpole.xml", "--out", "x"), "and the actions: sim/cartpole.py"),
        (("bench", "surprise", "--scenarios", "nothing"), "`wm scenarios` makes some"),
        (
            ("bench", "traffic-model", "--scenarios", "nothing", "--variant", "gaol"),
            "wanted one of plain, goal",
        ),
    ],
)
def test_a_missing_path_is_answered_with_what_to_do(wm, tmp_path, arguments, answer):
    code, said = wm(*arguments)
    assert code == 2, said
    assert answer in said
    assert not (tmp_path / "x").exists()


@pytest.mark.torch
@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("export", "nothing", "--out", "x"), "nothing"),
        (("import", "nothing.pt", "--out", "x"), "no weights at nothing.pt"),
        (("import", "nothing.pt", "--out", "x", "--precision", "bf16"), "use fp16 or fp32"),
        (
            ("train", "models/ac_jepa.py", "--data", "nothing", "--out", "x", "--recipe", "small"),
            "wm collect",
        ),
        (
            ("train", "models/ac_jepa.py", "--out", "x", "--recipe", "smal"),
            "did you mean 'small'?",
        ),
        (
            (
                "train",
                "models/ac_jepa.py",
                "--data",
                "d",
                "--out",
                "x",
                "--recipe",
                "small",
                "--set",
                "iterations",
            ),
            "wanted field=value",
        ),
    ],
)
def test_invalid_training_and_export_is_answered_with_what_to_do(wm, tmp_path, arguments, answer):
    code, said = wm(*arguments)
    assert code == 2, said
    assert answer in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("option", "answer"), [("--of", "did you mean 'models/bundles/"), ("--data", "is not a data set")]
)
def test_a_mistyped_path_is_refused_before_torch_is_loaded(wm, monkeypatch, option, answer):
    monkeypatch.setitem(sys.modules, "wm_planner.training", None)  # an import of it fails
    code, said = wm(
        "train", "models/actor.py", option, "models/bundles/pendulun", "--out", "x", "--recipe", "small"
    )
    assert code == 2
    assert answer in said


def test_an_output_folder_that_cannot_be_created_is_reported(wm, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    code, said = wm("launch", "panda_reach")
    assert code == 2
    assert "cannot be made" in said


def test_an_existing_data_set_is_kept(wm, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("x")
    code, said = wm("collect", "sim/panda_reach.py", "--out", "mine", "--episodes", "1")
    assert code == 2
    assert "exists already" in said
    assert (tmp_path / "mine" / "precious").is_file()


def launch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wm_planner.cli", "launch", "panda_reach", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_tampered_bundle_is_refused_by_its_checksum(tmp_path):
    bundle = tmp_path / "bundle"
    shutil.copytree(share.find("models/bundles/panda_reach_small"), bundle)
    with (bundle / "step.onnx").open("ab") as graph:
        graph.write(b"x")
    result = launch(tmp_path, f"model={bundle}")
    assert result.returncode == 2
    assert "step.onnx was changed or belongs to another export" in result.stderr


def test_a_bundle_of_other_shapes_names_the_line_of_the_card(tmp_path):
    bundle = tmp_path / "bundle"
    shutil.copytree(share.find("models/bundles/panda_reach_small"), bundle)
    card = (bundle / "card.yaml").read_text()
    assert "  - 64\n" in card
    (bundle / "card.yaml").write_text(card.replace("  - 64\n", "  - 65\n"))
    result = launch(tmp_path, f"model={bundle}")
    assert result.returncode == 2
    assert "latents.z.shape" in result.stderr


def test_the_doctor_finds_this_machine_well(wm):
    code, said = wm("doctor")
    assert code == 0, said
    assert "camera pictures" in said
    assert "models/bundles/panda_reach_small" in said


def test_the_doctor_of_a_machine_without_gl_names_the_packages(tmp_path):
    environment = {**os.environ, "__EGL_VENDOR_LIBRARY_DIRS": str(tmp_path)}
    command = [sys.executable, "-m", "wm_planner.cli", "doctor"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "apt-get install libegl1" in result.stdout


def test_scenarios_are_drawn_by_their_seeds(wm, tmp_path):
    code, said = wm("scenarios", "drawn", "--count", "1", "--seed", "3")
    assert code == 0, said
    assert [file.name for file in (tmp_path / "drawn").iterdir()] == ["traffic_0000003.xml"]
    code, said = wm("scenarios", "drawn")
    assert code == 2
    assert "exists already" in said


def test_a_planner_is_not_exported_over_a_folder(wm, tmp_path):
    (tmp_path / "here").mkdir()
    code, said = wm("export-planner", "models/bundles/panda_reach_small", "--out", "here")
    assert (code, list(tmp_path.iterdir())) == (2, [tmp_path / "here"])
    assert "here is a folder, wanted a file: --out here/planner.onnx" in said


@pytest.mark.parametrize(
    ("raised", "ends", "says"),
    [(MemoryError("8 PiB"), 2, "8 PiB"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_lack_of_memory_and_interrupts_end_in_one_line(wm, monkeypatch, raised, ends, says):
    def fail(**options):
        raise raised

    monkeypatch.setattr(main, "wm", fail)
    code, said = wm("bench")
    assert code == ends
    assert says in said and "Traceback" not in said
