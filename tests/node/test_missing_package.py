"""Nodes without the package that their robot or simulator needs: one line that says what to install."""

import os
import subprocess
import sys

import msgspec
import pytest

from wm_planner import share

NEEDS_SIM = "needs the package 'mujoco', which is not installed: pip install 'wm-planner[sim]'"


@pytest.fixture
def run_without(tmp_path):
    """Runs Python in an empty folder, where importing `package` fails as if it were not installed."""

    def run(package, *arguments):
        hidden = tmp_path / "hidden"
        hidden.mkdir()
        (hidden / f"{package}.py").write_text(
            f"raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')"
        )
        paths = os.pathsep.join(filter(None, (str(hidden), os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": paths, "XDG_RUNTIME_DIR": str(tmp_path)}
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize(
    ("node", "params", "plug_in"),
    [
        ("simulator", {"scene": "sim/panda_reach.py"}, "simulator 'mujoco'"),
        (
            "controller",
            {"control": {"type": "ee_delta", "robot": "sim/panda_reach.xml"}},
            "controller 'ee_delta'",
        ),
    ],
)
def test_a_node_names_the_extra_that_it_needs(run_without, node, params, plug_in):
    arguments = msgspec.json.encode({"domain": "alone", "params": params}).decode()
    done = run_without("mujoco", str(share.find(f"nodes/{node}.py")), arguments)
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ") and last.endswith(f"{plug_in} {NEEDS_SIM}")
    assert "Traceback" not in done.stderr


def test_a_launch_that_needs_a_missing_package_names_the_extra(run_without):
    done = run_without("mujoco", "-m", "wm_planner.cli", "launch", "panda_reach")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(NEEDS_SIM)
    assert "Traceback" not in done.stderr


def test_what_a_launch_file_plans_with_is_known_without_its_simulator(run_without):
    program = "from wm_planner.launching.file import planning; print(planning('panda_reach')[0]['type'])"
    assert run_without("mujoco", "-c", program).stdout == "icem\n"
