"""The actuators of small robots, whatever their order, gear and kind."""

import mujoco
import numpy as np
import pytest

from wm_planner.control.kinematics import SerialChain
from wm_planner.errors import SimulationError
from wm_planner.world_models.physics.drives import JointDrives, driven_joints, kind_of, limits_of

ROBOT = """
<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.01" gravity="0 0 0" integrator="implicitfast"/>
  <default><joint damping="1" armature="0.1"/></default>
  <worldbody>
    <body name="upper"><joint name="shoulder" axis="0 0 1" range="-2 2"/><geom size="0.1" mass="0.1"/>
      <body name="lower" pos="0.5 0 0"><joint name="elbow" axis="0 0 1" {elbow}/><geom size="0.1" mass="0.1"/>
        <site name="tcp" pos="0.5 0 0"/>
        <body><joint name="finger" type="slide" range="0 0.04"/><geom size="0.1" mass="0.1"/></body>
      </body>
    </body>
  </worldbody>
  <actuator>{actuators}</actuator>
</mujoco>"""


def robot(*actuators, elbow=""):
    return mujoco.MjModel.from_xml_string(ROBOT.format(actuators="".join(actuators), elbow=elbow))


SHOULDER = '<position name="s" joint="shoulder" kp="100"/>'
ELBOW = '<position name="e" joint="elbow" kp="100"/>'
CHAIN = ("shoulder", "elbow")


@pytest.mark.parametrize(
    "servo",
    [
        ELBOW,
        '<position name="e" joint="elbow" kp="100" gear="2"/>',
        '<position name="e" joint="elbow" kp="100" gear="-0.5"/>',
        '<position name="e" joint="elbow" kp="100" timeconst="0.01"/>',
        '<position name="e" jointinparent="elbow" kp="100"/>',
        '<general name="e" joint="elbow" biastype="affine" gainprm="2" biasprm="0.3 -100 -1"/>',
    ],
)
def test_a_joint_arrives_at_its_target_whatever_order_gear_and_gain_its_servo_has(servo):
    model = robot(servo, SHOULDER)
    drives = JointDrives.of(model, CHAIN, "position")
    data, target = mujoco.MjData(model), np.array([0.7, -0.4])
    data.ctrl[:] = drives.control(target, data.ctrl)
    np.testing.assert_allclose(drives.targets(data.ctrl), target, atol=1e-12)
    for _ in range(2000):
        mujoco.mj_step(model, data)
    np.testing.assert_allclose(data.qpos[:2], target, atol=1e-3)


def test_velocity_servos_and_torque_motors_are_converted_too():
    turning = robot(SHOULDER, '<velocity name="e" joint="elbow" kv="20" gear="2"/>')
    data = mujoco.MjData(turning)
    data.ctrl[1] = JointDrives.of(turning, ["elbow"], "velocity").control(np.array([0.5]), data.ctrl)[1]
    for _ in range(500):
        mujoco.mj_step(turning, data)
    assert data.qvel[1] == pytest.approx(0.5 * 80 / 81, rel=1e-3)  # the joint is damped by 1 N m s/rad
    pushing = robot(SHOULDER, '<motor name="e" joint="elbow" gear="4"/>')
    data = mujoco.MjData(pushing)
    data.ctrl[:] = JointDrives.of(pushing, ["elbow"], "torque").control(np.array([3.0]), data.ctrl)
    mujoco.mj_forward(pushing, data)
    assert data.qfrc_actuator[1] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("actuator", "kind"),
    [
        ('<intvelocity joint="elbow" actrange="-1 1"/>', None),
        ('<muscle joint="elbow" lengthrange="0 1"/>', None),
        ('<damper joint="elbow" kv="1" ctrlrange="0 1"/>', None),
        ('<motor joint="elbow"/>', "torque"),
        ('<velocity joint="elbow"/>', "velocity"),
        ('<position joint="elbow" kp="3" dampratio="1"/>', "position"),
    ],
)
def test_the_kind_of_an_actuator_is_told_from_its_forces(actuator, kind):
    assert kind_of(robot(actuator), 0) == kind


def test_actuators_of_another_kind_are_refused_by_name():
    model = robot(SHOULDER, '<motor name="m" joint="elbow"/>')
    with pytest.raises(SimulationError, match=r"position control needs .* not: m \(torque motor\)$"):
        JointDrives.of(model, CHAIN, "position")
    with pytest.raises(SimulationError, match=r"torque control .*<motor .* not: s \(position servo\)$"):
        JointDrives.of(model, CHAIN, "torque")
    assert JointDrives.of(model, CHAIN, None).actuators == (0, 1)


@pytest.mark.parametrize(
    ("actuators", "reason"),
    [
        ((SHOULDER,), r"no actuator drives joint 'elbow'. .* the actuators are s \(joint shoulder\)"),
        ((SHOULDER, ELBOW, '<velocity joint="elbow"/>'), r"joint 'elbow' has 2 actuators \(e, actuator 2\)"),
        ((), "no actuator drives joint 'shoulder'; no actuator drives joint 'elbow'. The model has no"),
        ((SHOULDER, '<position name="t" site="tcp"/>'), r"joint 'elbow'.* t \(no joint\)"),
    ],
)
def test_a_joint_without_exactly_one_actuator_is_refused_by_name(actuators, reason):
    with pytest.raises(SimulationError, match=reason):
        JointDrives.of(robot(*actuators), CHAIN, "position")


def test_a_joint_is_limited_by_its_range_and_by_what_its_servo_takes():
    model = robot(SHOULDER, '<position joint="elbow" gear="2" ctrlrange="-2 1"/>')
    assert limits_of(model, "shoulder") == (-2, 2)
    assert limits_of(model, "elbow") == (-1, 0.5)
    assert limits_of(robot(SHOULDER), "elbow") == (-np.inf, np.inf)


def test_a_joint_with_a_reference_position_keeps_its_kinematics():
    model = robot(SHOULDER, ELBOW, elbow='ref="0.6"')
    chain, q = SerialChain.of(model, "tcp"), np.array([0.3, -0.2])
    for one, batch in zip(chain.jacobian(q), chain.jacobian(q[None]), strict=True):
        np.testing.assert_allclose(one, batch[0], atol=1e-12)


def test_fingers_are_what_an_arm_carries():
    model = robot(SHOULDER, ELBOW, '<position joint="finger" kp="9"/>')
    assert driven_joints(model, "elbow") == ("finger",)
    assert driven_joints(robot(SHOULDER, ELBOW), "elbow") == ()
