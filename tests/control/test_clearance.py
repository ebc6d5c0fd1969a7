"""Distances of a Panda from itself and from boxes."""

import mujoco
import numpy as np
import pytest

from wm_planner.control.admissibility import Admissibility
from wm_planner.control.clearance import FAR_M, Clearance, KeepOut
from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.joint_motion import JointMotion
from wm_planner.control.motion_limits import MotionLimits
from wm_planner.errors import ConfigError

ROBOT = "sim/panda_reach.xml"
ARM = EndEffectorDelta.of(mujoco.MjModel.from_xml_path(ROBOT))
BOX = KeepOut(low=(0.45, -0.1, 0.0), high=(0.55, 0.1, 0.15))
FOLDED = np.array([0.0, 1.7, 0.0, -3.0, 0.0, 3.7, 0.0])  # the hand in the forearm


def clearance(*boxes):
    return Clearance(mujoco.MjSpec.from_file(ROBOT), ARM.joints, ARM.home, boxes)


def test_an_arm_that_folds_into_itself_is_told_by_its_parts():
    nearest = clearance().nearest(FOLDED)
    assert nearest.distance < 0
    assert len(nearest.parts) == 2 and all(part.startswith(("link", "hand")) for part in nearest.parts)


def test_what_stands_on_the_table_does_not_count():
    on_the_table = ARM.at_rest(np.array([0.5, 0.0, 0.06]))
    assert clearance().distance(on_the_table) > 0.02


def test_a_box_is_told_from_afar_and_by_its_number():
    near = ARM.at_rest(np.array([0.5, 0.0, 0.17]))
    nearest = clearance(BOX).nearest(near)
    assert 0 < nearest.distance < FAR_M and "keep_out[0]" in nearest.parts
    assert clearance(BOX).distance(ARM.at_rest(np.array([0.5, 0.0, 0.35]))) > nearest.distance
    inside = clearance(BOX).distance(ARM.at_rest(np.array([0.5, 0.0, 0.1])))
    assert inside < 0


def test_a_box_around_the_arm_is_refused():
    around = KeepOut(low=(-0.2, -0.2, 0.2), high=(0.2, 0.2, 0.6))
    with pytest.raises(ConfigError, match=r"keep_out\[0\].* overlap in the home posture"):
        clearance(around)


def test_an_arm_keeps_its_distance_from_itself_and_from_a_box_whatever_it_is_told():
    admissibility = Admissibility(ARM, clearance(BOX), margin_m=0.01)
    limits = MotionLimits.of(*ARM.bounds)
    motion, rng = JointMotion(limits, 0.01, admissibility.admits), np.random.default_rng(0)
    motion.rest(ARM.at_rest(np.array([0.5, 0.0, 0.3])))
    blocked = 0
    for _ in range(60):
        motion.aim(rng.uniform(limits.low, limits.high))
        for _ in range(int(rng.integers(1, 15))):
            assert admissibility.clearance.distance(motion.advance().position) >= 0.01
        blocked += motion.blocked is not None
    assert blocked > 10


def test_what_keeps_an_arm_back_is_said():
    admissibility = Admissibility(ARM, clearance(BOX), margin_m=0.01)
    assert admissibility.why(ARM.at_rest(np.array([0.5, 0.0, 0.3]))) == ""
    assert "keep_out[0]" in admissibility.why(ARM.at_rest(np.array([0.5, 0.0, 0.1])))
    outside = ARM.solve(ARM.home, np.array([0.3, 0.4, 0.3]), 60)
    assert "the tool would leave its workspace" in admissibility.why(outside)
