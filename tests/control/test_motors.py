"""Motors: their limits and gears, and a hold that compensates gravity."""

import mujoco
import numpy as np
import pytest

from wm_planner.control.motors import MotorHold, Motors
from wm_planner.errors import SimulationError

ARM = """
<mujoco>
  <option timestep="0.002"/>
  <compiler angle="radian" autolimits="true"/>
  <worldbody>
    <body>
      <joint name="shoulder" axis="0 1 0"/>
      <geom type="capsule" fromto="0 0 0 0.4 0 0" size="0.02" mass="1"/>
      <body pos="0.4 0 0">
        <joint name="elbow" axis="0 1 0" stiffness="0.5"/>
        <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.02" mass="0.5"/>
      </body>
    </body>
  </worldbody>
  <actuator>{actuators}</actuator>
</mujoco>"""
MOTORS = """
<motor name="shoulder" joint="shoulder" gear="50" ctrlrange="-1 1" forcerange="-0.6 0.8"/>
<motor name="elbow" joint="elbow" gear="-2" ctrlrange="-5 10"/>"""


def robot(actuators=MOTORS):
    return mujoco.MjModel.from_xml_string(ARM.format(actuators=actuators))


def test_torques_are_controls_times_gear_within_the_narrowest_range():
    motors = Motors.of(robot())
    assert motors.joints == ("shoulder", "elbow") and motors.units == ("N m", "N m")
    np.testing.assert_allclose(motors.limits.low, [-30.0, -20.0])
    np.testing.assert_allclose(motors.limits.high, [40.0, 10.0])
    np.testing.assert_allclose(motors.controls(np.array([25.0, 4.0])), [0.5, -2.0])
    slider = Motors.of(mujoco.MjModel.from_xml_path("sim/cartpole.xml"))
    assert (slider.joints, slider.units) == (("slider",), ("N",))


@pytest.mark.parametrize(
    ("actuators", "reason"),
    [
        ('<position name="p" joint="elbow" kp="5"/>', "actuator 'p' is no <motor> of a joint"),
        ('<motor name="a" joint="elbow"/>', "joint 'elbow' exerts from -inf to inf, wanted a range"),
        ('<motor joint="elbow" gear="0" ctrlrange="-1 1"/>', "exerts from 0 to 0, wanted a range"),
        ('<motor joint="elbow" ctrlrange="0 1"/>' * 2, "has 2 motors of 1 joints, wanted one per joint"),
        ("", "has 0 motors"),
    ],
)
def test_a_robot_that_takes_no_torques_is_refused_by_name(actuators, reason):
    with pytest.raises(SimulationError, match=reason):
        Motors.of(robot(actuators))


def test_a_model_of_servos_has_no_motors_and_a_mixture_is_refused():
    servo = '<position name="p" joint="elbow" kp="5"/>'
    assert Motors.if_any(robot(servo)) is None
    with pytest.raises(SimulationError, match="actuator 'p' is no <motor>"):
        Motors.if_any(robot(servo + '<motor joint="shoulder" ctrlrange="-1 1"/>'))


def test_a_hold_brings_a_moving_arm_back_to_its_posture_against_gravity():
    model, period_s = robot(), 0.02
    motors, data, target = Motors.of(model), mujoco.MjData(model), np.array([-0.3, 0.4])
    hold = MotorHold(motors)
    data.qpos[:], data.qvel[:] = target, (0.4, -0.2)
    for _ in range(60):
        torques = hold.torques(data.qpos, data.qvel, target, period_s)
        data.ctrl[:] = motors.controls(torques)
        mujoco.mj_step(model, data, nstep=10)
    np.testing.assert_allclose(data.qpos, target, atol=2e-3)
    np.testing.assert_allclose(data.qvel, 0.0, atol=5e-3)
    assert abs(torques[0]) > 1.0  # the arm is heavy: without torques it falls
