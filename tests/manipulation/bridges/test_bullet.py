"""PyBullet's Panda in a run: what its simulator and controller state, and a launch from end to end."""

import subprocess
import sys

import numpy as np
import pytest

from wm_planner.bridges.controllers import CONTROLLERS
from wm_planner.bridges.simulators import facts
from wm_planner.bridges.statements import CAMERA, PERIOD
from wm_planner.errors import ConfigError, PluginError

LAUNCH = """
clock: lockstep
nodes:
  - exec: simulator
    params: {simulator: {type: bullet}, episodes: 1, steps: 3}
    on_exit: shutdown
  - exec: perception
    params: {world_model: models/bundles/panda_reach_small}
  - exec: planner
    params:
      world_model: models/bundles/panda_reach_small
      planner: {type: icem, horizon: 2, samples: 16, elites: 4, iterations: 2}
      costs: [{type: latent_goal}]
  - exec: controller
    params: {control: {type: bullet}}
"""


def needs_bullet():
    pytest.importorskip("pybullet", reason="the simulator needs PyBullet: pip install 'wm-planner[bullet]'")


def test_a_urdf_is_refused_where_an_mjcf_is_read():
    cls, config = CONTROLLERS.configure({"type": "ee_delta", "robot": "mine/arm.urdf"}, "here")
    with pytest.raises(PluginError, match=r"mine/arm.urdf is a URDF, .* control: \{type: bullet\}"):
        cls.check(config)


def test_the_simulator_states_its_cameras_and_its_rate():
    needs_bullet()
    stated = facts({"type": "bullet"}, "here")
    assert stated.agrees[PERIOD] == 0.2
    assert stated.offers[CAMERA] == dict.fromkeys(("front", "side"), "64 x 64 pixels")
    with pytest.raises(ConfigError, match="scene"):
        facts({"type": "bullet", "scene": "sim/panda_reach.py"}, "here")


def test_the_controller_limits_commands_and_reports_what_was_carried_out():
    needs_bullet()
    control = CONTROLLERS.build({"type": "bullet"}, "here")
    assert control.control.joints[0] == "panda_joint1" and len(control.control.joints) == 7
    _, _, rate = control.control.bounds
    np.testing.assert_allclose(rate, [2.175] * 4 + [2.61] * 3)


@pytest.mark.timeout(600)
def test_a_launch_plans_in_pybullet_from_end_to_end(tmp_path):
    needs_bullet()
    (tmp_path / "reach.yaml").write_text(LAUNCH)
    command = [sys.executable, "-m", "wm_planner.cli", "launch", "reach.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "success" in done.stdout


def test_the_bench_of_success_takes_its_launch_file(tmp_path):
    needs_bullet()
    (tmp_path / "reach.yaml").write_text(LAUNCH)
    options = [
        "--model",
        "models/bundles/panda_reach_small",
        "--episodes",
        "2",
        "--steps",
        "2",
        "--no-greedy",
    ]
    command = [
        sys.executable,
        "-m",
        "wm_planner.cli",
        "bench",
        "success",
        "reach.yaml",
        *options,
        "--episodes=2",
        "--steps=2",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for policy in ("straight line", "random actions", "panda_reach_small"):
        assert policy in done.stdout
