"""Messages around the controller of the Panda arm, for node programs on a bench."""

import numpy as np

from wm_planner.bridges.messages import plan_message
from wm_planner.clock import nanoseconds
from wm_planner.messaging import messages as m
from wm_planner.world_models.onnx.model import OnnxWorldModel

BUNDLE = "models/bundles/panda_reach_small"
TICK = nanoseconds(0.2)
HOME = [0.0, -0.5, 0.0, -2.3, 0.0, 1.8, -0.785]


def controller(bench, mode="lockstep", **params):
    control = {"type": "ee_delta", "robot": "sim/panda_reach.xml"}
    return bench("controller", mode, control=control, **params)


def joint_states(stamp_ns, q=HOME):
    return m.joint_state([f"joint{i}" for i in range(1, 8)], q, stamp_ns)


def plan(stamp_ns, action=(0.0, 0.03, -0.03), fallback=False, dt_s=0.2, **how):
    spec = OnnxWorldModel.load(BUNDLE, device="cpu").card.action
    actions = np.array([action, (0.0, 0.0, 0.0)], np.float32)
    return plan_message(1, actions, spec, dt_s, stamp_ns, execute_steps=1, fallback=fallback, **how)


def spin(made, duration_s):
    """Let the wall clock of a bench go on in steps of 10 ms, and the node's timers fire."""
    for _ in range(round(duration_s / 0.01)):
        made.clock.set_ns(made.clock.now_ns() + nanoseconds(0.01))
        made.node.spin_once()
