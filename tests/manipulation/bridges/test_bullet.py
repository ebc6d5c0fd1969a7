"""PyBullet's Panda in a run: what its simulator and controller state, and a launch from end to end."""

import subprocess
import sys

import numpy as np
import pytest

from wm_planner.bridges.controllers import CONTROLLERS
from wm_planner.bridges.messages import plan_message
from wm_planner.bridges.simulators import facts
from wm_planner.bridges.statements import ACTION, CAMERA, PERIOD, components
from wm_planner.contracts.card import ActionSpec
from wm_planner.control.tool_action import ToolAction
from wm_planner.errors import ConfigError, PluginError
from wm_planner.messaging import messages as m

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


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ToolAction(), ""),
        (ToolAction("euler"), ""),
        (ToolAction("vector"), ""),
        (ToolAction("euler", "change"), "dgripper needs a gripper, but PyBullet's Panda holds its fingers"),
    ],
)
def test_the_controller_rotates_the_tool_and_refuses_its_held_fingers_by_name(kind, reason):
    needs_bullet()
    cls, config = CONTROLLERS.configure({"type": "bullet"}, "here")
    judge = cls.facts(config).judges[ACTION]
    text = components(*zip(*kind.components, strict=True))
    assert reason in judge(text) and bool(judge(text)) == bool(reason)
    if reason or kind.rotation == "none":
        return
    control = cls(config)
    control.observe(m.joint_state(control.control.joints, control.control.home, 7, np.zeros(7)))
    names, units = zip(*kind.components, strict=True)
    spec = ActionSpec(names=names, units=units, low=(-1.0,) * 6, high=(1.0,) * 6)
    action = np.array([[0.01, 0.0, -0.02, 0.0, 0.0, 0.1]], np.float32)
    plan = plan_message(1, action, spec, 0.2, 7, execute_steps=1, fallback=False)
    sent = np.array(control.command(plan, 0).points[0].positions)
    before, after = (control.control.chain.forward(q)[1] for q in (control.control.home, sent))
    np.testing.assert_allclose(kind.angles(after @ before.T), [0.0, 0.0, 0.1], atol=5e-3)


def test_the_import_of_pybullet_writes_nothing_to_the_terminal():
    needs_bullet()
    command = [sys.executable, "-c", "import wm_planner.manipulation.simulation.bullet_library"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


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
