"""Two processes train the same model as one; started like users do, with torchrun and accelerate."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import several_processes
import torch
import yaml
from moving_dot import write

from wm_planner.errors import ConfigError
from wm_planner.training.processes import Processes

TOOLS = {
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    "accelerate": [
        *("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
    ],
}
JEPA = {"iterations": 6, "batch": 4, "clip": 3, "warmup": 2}
VIDEO = {"iterations": 6, "batch": 4, "clip": 4, "warmup": 2, "picture": 16, "patch": 4}
FAMILIES = {
    "conv": ("models/ac_jepa.py", "small", {**JEPA, "picture": 8, "encoder.channels": [4]}),
    "tokens": ("models/ac_jepa.py", "tokens", {**JEPA, "picture": 16}),
    "video": ("models/vjepa2.py", "small", VIDEO),
    "ac": ("models/vjepa2_ac.py", "small", {**VIDEO, "tokens": "normed", "slow_features": 0}),
    "ac_whitened": ("models/vjepa2_ac.py", "small", {**VIDEO, "encoder.dim": 24, "slow_features": 2}),
}
BY_BATCH = {"conv", "tokens", "ac_whitened"}  # with batch statistics, whose deviations may be small


def launched(tool, *arguments, fails=False):
    """The output of two processes started by `tool`; their errors if they are expected to fail."""
    known = {name: value for name, value in os.environ.items() if name != "LOCAL_RANK"}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", *TOOLS[tool], *map(str, arguments)]
    environment = {**known, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root), "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        command, capture_output=True, check=False, text=True, cwd=root, env=environment, timeout=240
    )
    assert bool(done.returncode) == fails, done.stderr[-6000:]
    return done.stderr if fails else done.stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of all families, trained by one process in `one` and by two in `two`."""
    folder = tmp_path_factory.mktemp("runs")
    write(folder / "dots", seed=0)

    def training(name, out, **more):
        file, recipe, changes = FAMILIES[name]
        common = {"model_file": file, "recipe": recipe, "datasets": [str(folder / "dots")]}
        return {**common, "overrides": changes, "out": str(folder / out), **more}

    alone = [training(name, f"one/{name}") for name in FAMILIES]
    many = [training(name, f"two/{name}") for name in FAMILIES]
    many += [training("tokens", "two/parts", stop=4), training("tokens", "two/parts")]
    many += [training("video", "two/sharded", sharded=True, stop=4)]
    many += [training("video", "two/sharded", sharded=True)]
    for name, plan in (("alone", alone), ("many", many)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(plan))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wm_planner.training.loop.LOG_EVERY", 50)  # restored after the program sets it
        patch.setattr("wm_planner.training.loop.CHECKPOINT_EVERY", 500)
        patch.setattr(Processes, "prepare", Processes.prepare)
        several_processes.main(1, folder / "alone.yaml")
    launched("torchrun", Path(several_processes.__file__), 2, folder / "many.yaml")
    return folder


def weights(path):
    return torch.load(path / "checkpoint.pt", weights_only=True)["model"]


def curve(path):
    return [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]


def largest_difference(first, second):
    """The largest difference between two runs' matrices.

    Vectors are excluded: some have no effect on the loss (a bias before a norm, the bias of attention keys),
    so that their gradient is rounding noise, which AdamW scales to full steps.
    """
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    names = [name for name, weight in first.items() if weight.ndim > 1]
    return max((first[name] - second[name]).abs().max().item() for name in names)


@pytest.mark.parametrize("name", FAMILIES)
def test_two_processes_have_the_same_losses_as_one(runs, name):
    one, two = curve(runs / "one" / name), curve(runs / "two" / name)
    assert [line["iteration"] for line in two] == [1, 2, 3, 4, 5, 6]
    tolerance = 1e-4 if name in BY_BATCH else 1e-5
    for alone, together in zip(one, two, strict=True):
        assert (alone["processes"], together["processes"]) == (1, 2)
        assert together["terms"] == pytest.approx(alone["terms"], rel=tolerance)
        assert together["gradient_norm"] == pytest.approx(alone["gradient_norm"], rel=tolerance)


@pytest.mark.parametrize("name", FAMILIES)
def test_two_processes_end_with_the_same_weights_as_one(runs, name):
    tolerance = 5e-4 if name in BY_BATCH else 1e-5
    assert largest_difference(runs / "one" / name, runs / "two" / name) < tolerance


def test_two_processes_resume_with_bitwise_equal_results(runs):
    whole, parts = weights(runs / "two" / "tokens"), weights(runs / "two" / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    terms = [[line["terms"] for line in curve(runs / "two" / name)] for name in ("tokens", "parts")]
    assert terms[0] == terms[1]


def test_sharded_weights_are_saved_whole_and_resumed(runs):
    assert largest_difference(runs / "one" / "video", runs / "two" / "sharded") < 1e-5


@pytest.mark.parametrize("tool", ["torchrun", pytest.param("accelerate", marks=pytest.mark.slow)])
def test_wm_train_runs_under_a_launcher_and_one_process_reports(runs, tmp_path, tool):
    file, recipe, changes = FAMILIES["conv"]
    settings = [f"--set={name}={value}" for name, value in changes.items()]
    arguments = ["train", file, "--recipe", recipe, "--data", runs / "dots", "--out", tmp_path, *settings]
    printed = launched(tool, "-m", "wm_planner.cli", *arguments)
    assert len(re.findall("iteration 6/6  CPU .* s of 2 processes", printed)) == 1
    assert largest_difference(runs / "one" / "conv", tmp_path) < 5e-4


@pytest.mark.slow
def test_a_configuration_error_ends_all_processes_before_anything_is_written(runs, tmp_path):
    file, recipe, _ = FAMILIES["conv"]
    arguments = ["train", file, "--recipe", recipe, "--data", runs / "dots", "--out", tmp_path / "run"]
    errors = launched("torchrun", "-m", "wm_planner.cli", *arguments, "--set=batch=3", fails=True)
    assert "error: a batch of 3 clips does not divide by 2 processes" in errors
    assert not (tmp_path / "run").exists()


def test_a_batch_that_does_not_divide_is_refused(monkeypatch):
    processes = Processes()
    assert processes.local_slice(16) == slice(0, 16)
    monkeypatch.setattr(processes, "count", 3)
    with pytest.raises(ConfigError, match=r"16 clips does not divide by 3 processes; .*\[1, 2, 4, 8, 16\]"):
        processes.local_slice(16)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="this machine has a GPU")
def test_mixed_precision_is_refused_without_a_gpu():
    code = "from wm_planner.training.processes import Processes; Processes()"
    environment = {**os.environ, "ACCELERATE_MIXED_PRECISION": "bf16"}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "ConfigError: accelerate is set to mixed precision bf16, wanted no" in run.stderr
