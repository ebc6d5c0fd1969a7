"""`wm import`, with a file of toy size."""

import sys

import pytest
from published_toy import toy_is_a_published_size, toy_networks, write

from wm_planner.cli import main
from wm_planner.errors import ConfigError
from wm_planner.launching import file as launch_file
from wm_planner.networks.vjepa2 import VitSize
from wm_planner.world_models.onnx import call_size

TINY = VitSize(dim=24, depth=1, heads=2)


@pytest.fixture
def wm_import(tmp_path, monkeypatch, capsys):
    write(tmp_path / "toy.pt", *toy_networks(TINY))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(call_size, "BUDGET_S", 0.05)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["wm", "import", "toy.pt", "--out", "toy", *arguments])
        with toy_is_a_published_size(TINY), pytest.raises(SystemExit) as ended:
            main.main()
            sys.exit(0)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), " ".join((captured.out + captured.err).split())

    return call


def test_an_import_prints_the_command_that_launches_the_bundle_and_does_not_overwrite_it(wm_import):
    code, printed = wm_import("--context", "1")
    assert code == 0
    assert "to launch it: wm launch franka_droid model=toy horizon=1" in printed
    assert launch_file.load(launch_file.find("franka_droid"), "run", ["model=toy", "horizon=1"])
    with pytest.raises(ConfigError, match=r"which nodes\[3\] \(controller\) cannot carry out") as refused:
        launch_file.load(launch_file.find("panda_reach"), "run", ["model=toy", "proposals=elites"])
    assert "needs the state tcp_pose (7 values)" in str(refused.value)
    code, printed = wm_import()
    assert code == 2
    assert "toy exists already" in printed
