"""A timer whose callback fails is counted and logged once, and is called again after its period."""

import logging

import pytest
from arm_messages import controller, joint_states, plan, spin

from wm_planner.errors import InputError, NodeError, SimulationError
from wm_planner.messaging import messages as m

PENDULUM = {"type": "gym", "id": "Pendulum-v1", "names": ["torque"], "units": ["N m"]}
TIMER_FAILURES = "timer send_set_point failures"


def moving(bench, **params):
    """A controller in realtime that sends set-points of a plan."""
    made = controller(bench, "realtime", rate_hz=50.0, **params)
    now_ns = made.clock.now_ns()
    made.deliver("/joint_states", joint_states(now_ns))
    made.deliver("/plan", plan(now_ns))
    return made


def failing(made, monkeypatch, error):
    """Lets the set-points of the node's control fail."""

    def fail(stamp_ns):
        raise error

    monkeypatch.setattr(made.node.control, "set_point", fail)


def status_of(made):
    [status] = made.take("/diagnostics")[-1].status
    return status, {pair.key: pair.value for pair in status.values}


@pytest.mark.parametrize("error", [InputError("no such joint"), ValueError("cut"), ZeroDivisionError("0")])
def test_a_timer_that_fails_is_counted_and_logged_once_and_the_node_goes_on(
    bench, monkeypatch, caplog, error
):
    caplog.set_level(logging.INFO)
    made = moving(bench)
    spin(made, 0.5)
    made.take("/command")
    with monkeypatch.context() as patch:
        failing(made, patch, error)
        spin(made, 0.6)
    status, values = status_of(made)
    assert values[TIMER_FAILURES] == "24"  # from 0.5 s until before 1 s, at 50 Hz
    assert str(error) in status.message
    assert status.level == m.DiagnosticStatus.WARN
    assert caplog.text.count("timer send_set_point failed") == 1
    assert ("Traceback" in caplog.text) is not isinstance(error, InputError)
    spin(made, 1.0)
    status, values = status_of(made)
    assert str(error) not in status.message and values[TIMER_FAILURES] == "30"
    assert caplog.text.count("timer send_set_point works again") == 1


def test_the_other_timers_run_while_one_fails(bench, monkeypatch):
    made = moving(bench)
    failing(made, monkeypatch, ValueError("cut"))
    spin(made, 0.4)
    assert made.node.diagnostics["holding"] == "True"  # the watch for missing plans


@pytest.mark.parametrize("error", [OSError("no space"), NameError("plna"), NodeError("lost")])
def test_a_fault_of_the_program_or_the_machine_ends_the_node(bench, monkeypatch, error):
    made = moving(bench)
    failing(made, monkeypatch, error)
    with pytest.raises(type(error)):
        spin(made, 0.1)


def test_in_lockstep_an_unforeseen_error_ends_the_node(bench, monkeypatch):
    made = bench("simulator", simulator=PENDULUM, episodes=1, steps=3, stall_s=0.05)

    def fail(sensors, taken_ns):
        raise IndexError("out of range")

    monkeypatch.setattr(made.node, "send", fail)
    with pytest.raises(IndexError):
        spin(made, 0.1)


def test_a_simulator_that_fails_in_realtime_ends_its_node(bench, monkeypatch, caplog):
    """Its errors are about the world, not about what was received: the run could only stand still."""
    made = bench("simulator", "realtime", simulator=PENDULUM, episodes=1, steps=3)

    def fail(duration_s):
        raise ValueError("the window is gone")

    monkeypatch.setattr(made.node.sim, "advance", fail)
    with pytest.raises(SimulationError, match="ValueError: the window is gone"):
        spin(made, 0.2)
    assert "Traceback" in caplog.text
