import mink
import mujoco
import numpy as np
import pytest

from wm_planner.control.ee_delta import EndEffectorDelta, ramp
from wm_planner.control.fingers import Fingers
from wm_planner.control.gripper import GripperDelta
from wm_planner.control.kinematics import SerialChain, cross, rotation_error
from wm_planner.control.safety import Limits
from wm_planner.errors import SimulationError
from wm_planner.simulation.scene import load_scene

SCENE = "sim/panda_reach.xml"


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(SCENE)


@pytest.fixture(scope="module")
def control(model) -> EndEffectorDelta:
    return EndEffectorDelta.of(model)


def postures(control, count, seed=0):
    chain = control.chain
    return np.random.default_rng(seed).uniform(chain.low, chain.high, (count, len(chain.names)))


def test_forward_kinematics_and_jacobian_match_mujoco(model, control):
    data = mujoco.MjData(model)
    site = model.site("tcp").id
    many = postures(control, 20)
    for q, position, rotation, jacobian in zip(many, *control.chain.jacobian(many), strict=True):
        data.qpos[:] = q
        mujoco.mj_forward(model, data)
        linear, angular = np.zeros((3, 7)), np.zeros((3, 7))
        mujoco.mj_jacSite(model, data, linear, angular, site)
        np.testing.assert_allclose(position, data.site_xpos[site], atol=1e-9)
        np.testing.assert_allclose(rotation.ravel(), data.site_xmat[site], atol=1e-9)
        np.testing.assert_allclose(jacobian, np.concatenate([linear, angular]), atol=1e-9)


def test_a_single_configuration_matches_the_batch(control):
    many = postures(control, 20)
    swept = control.chain.jacobian(many)
    for i, q in enumerate(many):
        for one, batch in zip(control.chain.jacobian(q), swept, strict=True):
            np.testing.assert_allclose(one, batch[i], atol=1e-14)


def test_the_tool_is_found_in_a_scene_with_other_joints(gripper):
    chain = gripper.arm.chain  # of a scene that also has fingers and a block
    q = postures(gripper.arm, 1)[0]
    first = chain.jacobian(q)
    chain.jacobian(chain.low)
    np.testing.assert_allclose(first[2], chain.jacobian(q[None])[2][0], atol=1e-14)


def test_batched_commands_match_single_ones(control):
    q = postures(control, 12).reshape(3, 4, 7)
    actions = np.random.default_rng(1).uniform(-0.05, 0.05, (3, 4, 3))
    together = control.command(q, actions)
    single = [control.command(q[i, j], actions[i, j]) for i in range(3) for j in range(4)]
    np.testing.assert_allclose(together.reshape(12, 7), single, atol=1e-12)


def test_inverse_kinematics_reaches_the_workspace_with_the_tool_pointing_down(control):
    targets = np.random.default_rng(2).uniform(control.low, control.high, (500, 3))
    q = control.solve(control.home, targets, iterations=60)
    position, rotation = control.chain.forward(q)
    errors = np.linalg.norm(position - targets, axis=-1)
    assert np.median(errors) < 1e-3
    assert errors.max() < 0.012  # in the far upper corners the arm is nearly straight
    assert np.abs(rotation_error(control.orientation, rotation)).max() < 0.01
    assert np.all((q >= control.chain.low) & (q <= control.chain.high))


def test_a_delta_moves_the_tool_by_its_length(control):
    rng = np.random.default_rng(3)
    q = control.solve(control.home, rng.uniform(control.low + 0.06, control.high - 0.06, (200, 3)), 60)
    actions = rng.uniform(-0.05, 0.05, (200, 3))
    moved = control.position(control.command(q, actions)) - control.position(q)
    assert np.linalg.norm(moved - actions, axis=-1).max() < 0.003


def test_a_tool_that_leaves_a_corner_at_the_speed_limit_stays_on_its_path(control):
    corners = np.stack(np.meshgrid(*np.transpose([control.low, control.high])), axis=-1).reshape(-1, 3)
    limits = Limits(*control.bounds, coupled=control.coupled)
    for q in control.solve(control.home, corners, 60):
        start = control.position(q)
        action = np.where(start > (control.low + control.high) / 2, -0.05, 0.05)
        limited = limits.apply(control.command(q, action), q, 0.2)
        moved = control.position(limited.command) - start
        along = moved @ action / (action @ action)
        assert np.linalg.norm(moved - along * action) < 0.015 and 0.2 < along < 1.05


def test_targets_stay_in_the_workspace(control):
    tcp = np.array([control.high, control.low])
    assert np.all(control.target(tcp, np.full(3, 0.05)) <= control.high)
    assert np.all(control.target(tcp, np.full(3, -0.05)) >= control.low)


def test_inverse_kinematics_agrees_with_mink(model, control):
    """mink solves the same differential problem as a quadratic program."""
    q = control.solve(control.home, np.array([0.5, 0.1, 0.25]), 60)
    target = control.position(q) + np.array([0.02, -0.02, 0.01])
    configuration = mink.Configuration(model, q=q)
    frame = mink.FrameTask("tcp", "site", position_cost=1.0, orientation_cost=1.0)
    pose = mink.SE3.from_rotation_and_translation(mink.SO3.from_matrix(control.orientation), target)
    frame.set_target(pose)
    posture = mink.PostureTask(model, cost=1e-3)
    posture.set_target(control.home)
    for _ in range(20):
        velocity = mink.solve_ik(configuration, [frame, posture], 1.0, solver="daqp", damping=1e-6)
        configuration.integrate_inplace(velocity, 1.0)
    theirs = control.position(configuration.q)
    ours = control.position(control.solve(q, target, iterations=20))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_ramp_ends_at_its_target_and_stays_there(control):
    steps = ramp(np.zeros(7), np.ones(7), substeps=10)
    np.testing.assert_allclose(steps[:, 0], [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1, 1, 1, 1, 1])


def test_the_cross_product_is_bitwise_equal_to_numpys():
    a, b = np.random.default_rng(0).standard_normal((2, 50, 7, 3))
    np.testing.assert_array_equal(cross(a, b), np.cross(a, b))


def test_fewer_iterations_are_nearly_as_good(control):
    q = control.solve(control.home, np.array([0.5, 0.1, 0.25]), 60)
    action = np.array([0.02, -0.02, 0.01])
    rough = control.with_iterations(2).command(q, action)
    difference = control.position(rough) - control.position(control.command(q, action))
    assert 0 < np.linalg.norm(difference) < 1e-3


@pytest.fixture(scope="module")
def gripper() -> GripperDelta:
    picking = load_scene("sim/panda_pick.py")
    return picking.control(mujoco.MjModel.from_xml_path(str(picking.model_file)))


def test_a_gripper_action_sets_the_opening(gripper):
    q = gripper.at_rest(np.array([0.5, 0.1, 0.25]))
    assert q[7:].tolist() == [0.04, 0.04]
    actions = np.array([[0.01, 0, 0, 0.0], [0.01, 0, 0, 0.25], [0.01, 0, 0, 7.0]])
    targets = gripper.command(q, actions)
    np.testing.assert_allclose(targets[:, 7:], [[0, 0], [0.01, 0.01], [0.04, 0.04]])
    np.testing.assert_allclose(targets[:, :7], [gripper.arm.command(q[:7], actions[0, :3])] * 3)


def test_a_gripper_has_bounds_for_every_actuator(gripper):
    low, high, rate = gripper.bounds
    assert gripper.joints[7:] == ("hand_left_finger", "hand_right_finger")
    np.testing.assert_array_equal(low[7:], [0, 0])
    np.testing.assert_array_equal(high[7:], [0.04, 0.04])
    assert len(rate) == 9 and (rate > 0).all()
    with pytest.raises(SimulationError, match=r"no joint 'hand_left', did you mean 'hand_left_finger'"):
        GripperDelta.of(mujoco.MjModel.from_xml_path("sim/panda_pick.xml"), gripper.arm, ("hand_left",))


HINGE_FINGERS = """
<mujoco>
  <compiler autolimits="true"/>
  <custom>{custom}</custom>
  <worldbody>
    <body><joint name="left" axis="0 0 1" range="0 45"/><geom size="0.1"/></body>
    <body><joint name="right" axis="0 0 -1" range="0 45"/><geom size="0.1"/></body>
  </worldbody>
</mujoco>"""


def test_hinge_fingers_close_and_open_where_the_robot_says(gripper):
    text = HINGE_FINGERS.format(custom="<numeric name='gripper' data='0.7 0'/>")
    hinged = GripperDelta.of(mujoco.MjModel.from_xml_string(text), gripper.arm, ("left", "right"))
    low, high, rate = (bound[7:] for bound in hinged.bounds)
    assert low.tolist() == [0, 0] and high.tolist() == [0.7, 0.7] and rate.tolist() == [3.5, 3.5]
    q = np.append(gripper.arm.home, [0.7, 0.7])
    for opening, finger in ((0.0, 0.7), (0.5, 0.35), (1.0, 0.0)):
        targets = hinged.command(q, np.array([0.01, 0.0, 0.0, opening]))
        np.testing.assert_allclose(targets[7:], [finger, finger], atol=1e-12)
    np.testing.assert_allclose(hinged.at_rest(np.array([0.5, 0.1, 0.25]))[7:], [0.0, 0.0])


@pytest.mark.parametrize(
    ("custom", "reason"),
    [
        ("", "left, right: at which end of its range a finger is closed is not known"),
        (
            "<numeric name='gripper' data='0.9 0'/>",
            "a finger closed at 0.9 and open at 0 does not fit",
        ),
        ("<numeric name='gripper' data='0.9'/>", "has 1 numbers, wanted 2"),
    ],
)
def test_hinge_fingers_whose_ends_are_not_known_are_refused_by_name(gripper, custom, reason):
    model = mujoco.MjModel.from_xml_string(HINGE_FINGERS.format(custom=custom))
    with pytest.raises(SimulationError, match=reason):
        GripperDelta.of(model, gripper.arm, ("left", "right"))


SLIDE_FINGERS = """
<mujoco>
  <compiler autolimits="true"/>
  <custom>{custom}</custom>
  <worldbody>
    <body><joint name="left" type="slide" {left}/><geom size="0.1"/></body>
    <body><joint name="right" type="slide" {right}/><geom size="0.1"/></body>
  </worldbody>
</mujoco>"""


@pytest.mark.parametrize(
    ("left", "right", "custom", "closed", "opened"),
    [
        ('range="0 0.04"', 'range="-0.04 0"', "", [0, 0], [0.04, -0.04]),
        ('range="0.02 0.06"', 'range="-0.05 -0.01"', "", [0.02, -0.01], [0.06, -0.05]),
        ("", "", "<numeric name='gripper' data='0.01 0.03 0 -0.02'/>", [0.01, 0], [0.03, -0.02]),
    ],
)
def test_each_finger_closes_and_opens_in_its_own_range(gripper, left, right, custom, closed, opened):
    model = mujoco.MjModel.from_xml_string(SLIDE_FINGERS.format(left=left, right=right, custom=custom))
    made = GripperDelta.of(model, gripper.arm, ("left", "right"))
    q = np.append(gripper.arm.home, closed)
    ends = [made.command(q, np.array([0.0, 0.0, 0.0, opening]))[7:] for opening in (0.0, 1.0)]
    np.testing.assert_allclose(ends, [closed, opened], atol=1e-12)
    fingers = Fingers(made.fingers, made.opened, made.closed, Limits(*(b[7:] for b in made.bounds)))
    for opening, positions in zip((0.0, 1.0), ends, strict=True):
        assert fingers.opening(positions) == pytest.approx(opening)
        np.testing.assert_allclose(fingers.command(opening, positions, 0.1).command, positions, atol=1e-12)


@pytest.mark.parametrize("left", ["", 'range="-0.02 0.02"'])
def test_slide_fingers_whose_ends_are_not_known_are_refused_by_name(gripper, left):
    text = SLIDE_FINGERS.format(left=left, right='range="0 0.04"', custom="")
    with pytest.raises(SimulationError, match=r"^left: at which end of its range a finger is closed"):
        GripperDelta.of(mujoco.MjModel.from_xml_string(text), gripper.arm, ("left", "right"))


def test_an_unknown_tool_point_names_the_known_ones(model):
    with pytest.raises(SimulationError, match=r"no site 'tpc', did you mean 'tcp'"):
        SerialChain.of(model, "tpc")


def test_a_robot_without_limits_is_refused():
    bare = mujoco.MjModel.from_xml_string("""
        <mujoco><worldbody><body><joint name="a" axis="0 0 1"/><geom size="0.1"/><site name="tcp"/></body>
        </worldbody><keyframe><key name="home" qpos="0"/></keyframe></mujoco>""")
    with pytest.raises(SimulationError, match="workspace"):
        EndEffectorDelta.of(bare)
