"""What arrives and cannot be used is dropped, counted and said once; the node goes on."""

import logging

import numpy as np
import pytest
from arm_messages import HOME, TICK, controller, joint_states, plan, spin
from glider import write_glider

from wm_planner.bridges.messages import goal_message
from wm_planner.clock import nanoseconds
from wm_planner.contracts.card import ObservationSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import SimulationError
from wm_planner.messaging import messages as m

BOUNDED = Quantity(name="position", size=2, unit="m", low=(-5.0,), high=(5.0,))
PENDULUM = {"type": "gym", "id": "Pendulum-v1", "names": ["torque"], "units": ["N m"]}


@pytest.fixture
def eyes(bench, tmp_path):
    """A perception node with a goal, over a glider whose position lies within 5 m."""
    write_glider(tmp_path / "glider", observation=ObservationSpec(state=(BOUNDED,)))
    made = bench("perception", world_model=str(tmp_path / "glider"))
    made.bus.has_publisher = lambda topic: False
    made.deliver("/goal", goal(1, 0.0))
    made.take("/goal_latent")
    return made


def goal(goal_id, x):
    return goal_message(goal_id, Observation({}, {"position": np.array([x, 0.0])}), 0)


def see(made, tick, x):
    made.deliver("/signal/position", m.signal("position", np.array([0.0, x]), tick * TICK))
    return [m.stamp_ns(message) // TICK for message in made.take("/latent")]


def diagnostics(made):
    made.node._publish_diagnostics()
    [status] = made.take("/diagnostics")[-1].status
    return status, {pair.key: pair.value for pair in status.values}


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (np.nan, r"glider: the state position[1] is nan m, wanted a finite value"),
        (-np.inf, r"glider: the state position[1] is -inf m, wanted a finite value"),
        (5.1, r"glider: the state position[1] is 5.1 m, outside of its bounds -5 to 5"),
    ],
)
def test_a_measurement_that_cannot_be_is_dropped_counted_and_said_once(eyes, caplog, bad, problem):
    caplog.set_level(logging.INFO)
    assert see(eyes, 1, 0.5) == [1]
    assert [see(eyes, tick, bad) for tick in (2, 3)] == [[], []]
    status, values = diagnostics(eyes)
    assert problem in status.message and status.level == m.DiagnosticStatus.WARN
    assert "/signal/position not valid" in status.message
    assert values["/signal/position dropped"] == "2"
    assert see(eyes, 4, 1.0) == [4]
    assert caplog.text.count("dropped /signal/position: " + problem) == caplog.text.count("dropped") == 1
    assert "/signal/position can be used again" in caplog.text
    status, values = diagnostics(eyes)
    assert "position" not in status.message and values["/signal/position dropped"] == "2"


def test_a_sensor_that_fails_at_every_other_tick_is_said_every_ten_seconds(eyes, caplog):
    for tick in range(9):
        see(eyes, tick, np.nan if tick % 2 else 0.0)
    assert caplog.text.count("dropped") == 1
    eyes.clock.set_ns(eyes.clock.now_ns() + nanoseconds(10.0))
    see(eyes, 9, np.nan)
    assert caplog.text.count("dropped") == 2


def test_a_signal_of_another_size_is_dropped(eyes, caplog):
    eyes.deliver("/signal/position", m.signal("position", np.zeros(3), TICK))
    assert "the state position has shape (3,), wanted (2,) in m" in caplog.text
    assert see(eyes, 2, 0.0) == [2]


def test_after_a_goal_that_cannot_be_used_nothing_is_planned_until_the_next_one(eyes, caplog):
    eyes.deliver("/goal", goal(2, 9.0))
    assert "dropped /goal: glider: the state position[0] is 9 m, outside of its bounds -5 to 5" in caplog.text
    assert not eyes.take("/goal_latent")
    assert see(eyes, 1, 0.0) == []
    eyes.deliver("/goal", goal(3, 1.0))
    assert see(eyes, 2, 0.0) == [2]


def test_an_action_that_is_not_finite_is_not_remembered(eyes, caplog):
    names, units = ["a0", "a1"], ["m", "m"]
    values = np.array([0.5, np.nan], np.float32)
    eyes.deliver("/action", m.Action(m.header(TICK), names, units, values, False))
    assert "dropped /action: /action: a1 is nan, wanted finite values" in caplog.text
    assert see(eyes, 1, 0.0) == [1] and see(eyes, 2, 0.0) == [2]


def test_joints_of_another_robot_do_not_end_the_controller(bench, caplog):
    made = controller(bench)
    made.deliver("/joint_states", m.joint_state(["a"], [0.0], 0))
    assert "dropped /joint_states: /joint_states lacks ['joint1'" in caplog.text
    made.deliver("/plan", plan(0))
    made.deliver("/joint_states", joint_states(0))
    assert len(made.take("/command")) == 1


def test_a_plan_of_another_robot_replaces_no_good_one(bench, caplog):
    made = controller(bench)
    made.deliver("/plan", plan(0))
    made.deliver("/joint_states", joint_states(0))
    good = made.node.plan
    other = plan(0)
    other.action_names = ["x", "y", "z"]
    made.deliver("/plan", other)
    assert "dropped /plan: /plan holds x in m" in caplog.text and made.node.plan is good
    cut = plan(0)
    cut.horizon = 7
    made.deliver("/plan", cut)
    assert made.node.plan is good and made.node.inputs["/plan"].dropped == 2


def test_a_robot_whose_plans_cannot_be_used_is_held(bench):
    """A plan that is refused does not count as one that has come."""
    made = controller(bench, "realtime")
    for _ in range(4):
        now_ns = made.clock.now_ns()
        made.deliver("/joint_states", joint_states(now_ns))
        other = plan(now_ns)
        other.action_names = ["x", "y", "z"]
        made.deliver("/plan", other)
        made.clock.set_ns(now_ns + TICK)
    spin(made, 0.02)
    [held] = made.take("/command")[-1:]
    np.testing.assert_allclose(held.points[0].positions, HOME)
    assert made.node.diagnostics["holding"] == "True"


def test_a_plan_with_a_number_that_is_not_finite_holds_the_robot(bench, caplog):
    made = controller(bench)
    made.deliver("/plan", plan(0, action=(0.0, np.nan, 0.03)))
    made.deliver("/joint_states", joint_states(0))
    [command] = made.take("/command")
    np.testing.assert_allclose(command.points[0].positions, HOME)
    assert "holding: plan 1 cannot be used: dy of step 0 is nan" in caplog.text


def test_a_command_that_is_not_finite_does_not_move_the_simulated_world(bench, caplog):
    made = bench("simulator", simulator=PENDULUM, episodes=1, steps=3)
    torque = m.joint_trajectory(["torque"], np.array([[np.nan]]), 0.05, 0)
    made.deliver("/command", torque)
    assert "dropped /command: /command holds [nan] for torque, wanted one finite number" in caplog.text
    assert made.node.step == 0
    torque.points[0].positions[:] = 1.0
    made.deliver("/command", torque)
    assert made.node.step == 1


def test_what_fails_in_the_node_itself_still_ends_it(bench, monkeypatch):
    made = bench("simulator", simulator=PENDULUM, episodes=1, steps=3)

    def fail(command):
        raise SimulationError("the window is gone")

    monkeypatch.setattr(made.node.sim, "step", fail)
    with pytest.raises(SimulationError, match="the window is gone"):
        made.deliver("/command", m.joint_trajectory(["torque"], np.array([[1.0]]), 0.05, 0))


def broken(made, monkeypatch, error):
    """Lets the node's control fail with an error that no check foresaw."""

    def fail(plan, step):
        raise error

    monkeypatch.setattr(made.node.control, "command", fail)
    now_ns = made.clock.now_ns()
    made.deliver("/joint_states", joint_states(now_ns))
    made.deliver("/plan", plan(now_ns))


@pytest.mark.parametrize(
    "error", [ValueError("cut"), IndexError("out of range"), ZeroDivisionError(), TypeError("text")]
)
def test_in_realtime_an_unforeseen_value_ends_no_node(bench, monkeypatch, caplog, error):
    made = controller(bench, "realtime")
    broken(made, monkeypatch, error)
    assert f"dropped /plan: {type(error).__name__}" in caplog.text and "Traceback" in caplog.text
    assert made.node.inputs["/plan"].dropped == 1 and not made.node.inputs["/plan"].health().valid


def test_in_lockstep_it_ends_the_node_whose_program_is_at_fault(bench, monkeypatch):
    with pytest.raises(IndexError):
        broken(controller(bench), monkeypatch, IndexError("out of range"))


@pytest.mark.parametrize(
    "error", [OSError("no space"), MemoryError(), NameError("plna"), NotImplementedError()]
)
def test_a_fault_of_the_program_or_the_machine_ends_the_node_in_realtime_too(bench, monkeypatch, error):
    with pytest.raises(type(error)):
        broken(controller(bench, "realtime"), monkeypatch, error)


def test_what_the_bus_cannot_read_is_counted_as_dropped_and_said_once(eyes, caplog):
    for _ in range(2):
        eyes.bus.rejected.add("/signal/position", "received a message of another version")
        status, values = diagnostics(eyes)
        assert "/signal/position not valid" in status.message and "of another version" in status.message
    assert values["/signal/position dropped"] == "2" and caplog.text.count("another version") == 1
