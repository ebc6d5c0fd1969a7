"""Planning over the true physics, from the messages of a simulator to commands."""

import numpy as np
import pytest
from swing import write_swing

from wm_planner.bridges.controllers import CONTROLLERS
from wm_planner.bridges.planning import PlanningConfig, adapter_facts, check_adapter
from wm_planner.bridges.simulators import adapter_of, facts
from wm_planner.config import convert
from wm_planner.errors import ConfigError
from wm_planner.launching.file import find, load
from wm_planner.messaging import messages as m
from wm_planner.node.facts import check_fit

PLANNER = {"type": "icem", "horizon": 5, "samples": 16, "elites": 4, "iterations": 2, "init_std": 0.5}
COSTS = [{"type": "state_goal", "state": "tip_position"}]


def planning(**changes):
    values = {"planner": PLANNER, "costs": COSTS, **changes}
    return convert(values, PlanningConfig, "planner: params")


@pytest.fixture
def scene(tmp_path):
    return write_swing(tmp_path)


def test_a_planner_swings_a_pendulum_to_its_goal_by_torques(bench, scene):
    adapter = adapter_of({"type": "mujoco_truth", "scene": scene}, "here")
    robot = scene.replace(".py", ".xml")
    control = CONTROLLERS.build({"type": "joint", "robot": robot, "mode": "torque"}, "here")
    simulator = adapter.simulator
    node = bench("planner", planner=PLANNER, costs=COSTS, adapter={"type": "physics", "scene": scene})
    observation = simulator.reset(3)
    for tick in range(8):
        stamp_ns = tick * 50_000_000
        node.hear("/episode", m.Episode(**episode(stamp_ns, simulator.goal_position)))
        sensors = adapter.sensors(observation, stamp_ns)
        for topic in ("/signal/physics", "/signal/control"):
            node.hear(topic, sensors[topic])
        (plan,) = node.take("/plan")
        assert m.stamp_ns(plan) == stamp_ns and list(plan.action_units) == ["N m"]
        control.observe(sensors["/joint_states"])
        observation = simulator.step(adapter.command_of(control.command(plan, 0))).observation
    assert simulator.distance < 0.1  # of 0.48 at the start
    simulator.close()


def episode(stamp_ns, goal_position):
    return {
        "header": m.header(stamp_ns),
        "id": 1,
        "seed": 3,
        "phase": "running",
        "step": 0,
        "distance": np.nan,
        "success": False,
        "reason": "",
        "goal_position": goal_position,
        "total_reward": np.nan,
    }


def test_a_launch_refuses_a_simulator_that_hides_its_physics(scene):
    planner = adapter_facts({"type": "physics", "scene": scene}, planning(), "here")
    hidden, told = (facts({"type": name, "scene": scene}, "here") for name in ("mujoco", "mujoco_truth"))
    check_fit([("simulator", told), ("planner", planner)], "x.yaml")
    with pytest.raises(ConfigError, match="planner needs the state physics, simulator offers tcp_position"):
        check_fit([("simulator", hidden), ("planner", planner)], "x.yaml")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"world_model": "models/bundles/pendulum"}, "params.world_model is models/bundles/pendulum, but"),
        ({"threads": 2}, "threads are a setting of its `physics`"),
        ({"costs": [{"type": "state_goal", "state": "top_position"}]}, "top_position"),
    ],
)
def test_what_planning_over_physics_cannot_use_is_refused_by_name(scene, changes, reason):
    with pytest.raises(ConfigError, match=reason):
        check_adapter({"type": "physics", "scene": scene}, planning(**changes), "planner: params.adapter")


@pytest.mark.parametrize("name", ["panda_push", "panda_pick", "cartpole"])
def test_the_shipped_launch_files_over_physics_fit_together(name):
    assert load(find(name), name).nodes
