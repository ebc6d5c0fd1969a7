"""Robot descriptions as users have them: six files of one arm, of which one is plain."""

import numpy as np
import pytest

from wm_planner.contracts.task import Placement
from wm_planner.control.ee_delta import EndEffectorDelta, load_model
from wm_planner.errors import InputError, SimulationError
from wm_planner.manipulation.bridges.ee_delta import EndEffectorControl
from wm_planner.manipulation.bridges.joint import JointControl
from wm_planner.manipulation.bridges.simulator_adapter import ArmAdapter
from wm_planner.manipulation.simulation.exploration import explore
from wm_planner.manipulation.simulation.reach import Reach
from wm_planner.messaging import messages as m
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.world_models.physics.model import PhysicsModel

NAMES = ["plain", "unlimited", "order", "gear", "second"]
START = np.array([0.25, 0.05, 0.65])


@pytest.fixture
def simulated(shared_data):
    """Simulates the arm of a file, without pictures."""
    made = []

    def make(name, **changes):
        box = {"low": (0.2, 0.0, 0.6), "high": (0.3, 0.1, 0.7), "min_distance": 0.05}
        scene = Reach(shared_data("arms") / f"{name}.xml", cameras=(), **box, **changes)
        made.append(MujocoSimulator(scene))
        return made[-1]

    yield make
    for each in made:
        each.close()


def moved(simulator, action=(0.0, 0.03, 0.0), times=3):
    """The motion (3,) of the tool by some actions from START."""
    state = simulator.place(START).state
    begin = state["tcp_position"]
    for _ in range(times):
        command = simulator.control.command(state["joint_positions"], np.array(action))
        state = simulator.step(command).observation.state
    return state["tcp_position"] - begin


@pytest.mark.parametrize("name", NAMES)
def test_an_arm_moves_as_it_is_told_whatever_its_description(simulated, name):
    simulator = simulated(name)
    assert np.linalg.norm(simulator.place(START).state["tcp_position"] - START) < 1e-3
    np.testing.assert_allclose(moved(simulator), [0.0, 0.09, 0.0], atol=0.008)


@pytest.mark.parametrize("name", ["order", "gear", "second"])
def test_physics_imagines_what_the_simulator_does(simulated, name):
    simulator = simulated(name)
    simulator.place(START)
    model, actions = PhysicsModel(PhysicsModel.Config(), simulator.scene), np.full((1, 3, 3), 0.02)
    imagined = model.rollout(model.encode(simulator.truth()), actions).states["tcp_position"][0, -1]
    end = simulator.tcp_position + moved(simulator, actions[0, 0])
    np.testing.assert_allclose(imagined, end, atol=1e-6)


def test_torque_motors_are_refused_for_position_control_naming_them(simulated, shared_data, tmp_path):
    with pytest.raises(SimulationError, match=r"position control needs a position servo .*: a_j0 .torque"):
        simulated("motor")
    config = EndEffectorControl.Config(robot=str(shared_data("arms") / "motor.xml"))
    with pytest.raises(SimulationError, match=r"motor\.xml: position control needs .* a_j5 .torque motor"):
        EndEffectorControl(config)
    scene = tmp_path / "motor.py"
    scene.write_text(
        "from wm_planner.manipulation.simulation.reach import Reach\n"
        "from pathlib import Path\n"
        f"SCENE = Reach(Path({config.robot!r}), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))\n"
    )
    with pytest.raises(SimulationError, match="a_j0"):  # before any process starts
        MujocoSimulator.check(MujocoSimulator.Config(scene=str(scene)))


def test_of_two_arms_the_one_whose_tool_is_asked_for_moves(simulated, shared_data):
    simulator = simulated("second", tool="B_tcp", point="B_tcp")
    start = START + np.array([0.0, 0.8, 0.0])
    state = simulator.place(start).state
    np.testing.assert_allclose(state["tcp_position"], start, atol=1e-3)
    resting = simulator.measured("tcp_position")
    for _ in range(3):
        command = simulator.control.command(state["joint_positions"], np.array([0.0, 0.03, 0.0]))
        state = simulator.step(command).observation.state
    np.testing.assert_allclose(state["tcp_position"] - start, [0.0, 0.09, 0.0], atol=0.008)
    np.testing.assert_allclose(simulator.measured("tcp_position"), resting, atol=1e-3)
    robot = str(shared_data("arms") / "second.xml")
    control = EndEffectorControl(EndEffectorControl.Config(robot=robot, tool="B_tcp"))
    assert control.control.joints[0] == "B_j0" and control.fingers is None
    assert JointControl(JointControl.Config(robot=robot)).control.joints[0] == "j0"


def test_a_command_reaches_the_joints_that_it_names(simulated):
    adapter = ArmAdapter(simulated("plain"))
    names = [f"j{i}" for i in reversed(range(6))]
    message = m.joint_trajectory(names, np.arange(6.0)[None], 0.1, 0)
    assert adapter.command_of(message).tolist() == [5, 4, 3, 2, 1, 0]


def test_an_arm_refuses_a_movement_to_one_target_that_takes_for_ever(simulated):
    message = m.joint_trajectory(["j0"], np.zeros((1, 1)), 1e9, 0)
    with pytest.raises(InputError, match=r"takes 1e\+09 s to its target, wanted at most 60 s"):
        ArmAdapter(simulated("plain")).command_of(message)


def test_an_arm_placed_by_its_joints_stays_there(simulated):
    for name in ("plain", "order", "gear"):
        simulator = simulated(name)
        placed = {f"j{i}": np.array([value]) for i, value in enumerate((0.3, -0.6, 0.2, 1.5, 0.0, 0.6))}
        begin = simulator.arrange(Placement(joints=placed)).state["joint_positions"]
        simulator.advance(0.5)
        np.testing.assert_allclose(simulator.observe().state["joint_positions"], begin, atol=1e-3)
        np.testing.assert_allclose(simulator.actuator_targets, begin)


@pytest.mark.parametrize(
    ("joints", "reason"),
    [
        ({"j9": np.zeros(1)}, "no joint 'j9', known: j0"),
        ({"j0": np.zeros(2)}, "'j0' is placed at .0.0, 0.0., wanted 1 positions"),
    ],
)
def test_a_placement_of_joints_that_do_not_exist_is_refused(simulated, joints, reason):
    with pytest.raises(SimulationError, match=reason):
        simulated("plain").arrange(Placement(joints=joints))


def test_an_arm_of_six_joints_is_collected(simulated):
    simulator = simulated("plain")
    assert [quantity.size for quantity in simulator.scene.state] == [3, 6]
    simulator.scene.__dict__["cameras"] = ("front",)  # an episode needs a picture
    episode = explore(simulator, seed=0, steps=3)
    assert episode.state.shape == (4, 9)


def test_a_position_that_inverse_kinematics_misses_is_refused(shared_data):
    control = EndEffectorDelta.of(load_model(shared_data("arms") / "plain.xml"))
    near = control.position(control.home)
    rng, missed = np.random.default_rng(2), 0
    for target in near + rng.uniform(-0.2, 0.2, (120, 3)):
        try:
            off = np.linalg.norm(control.position(control.at_rest(target)) - target)
            assert off <= 0.02
        except SimulationError as error:
            missed += 1
            assert "inverse kinematics ends" in str(error) and "cm off" in str(error)
    assert 0 < missed < 20
