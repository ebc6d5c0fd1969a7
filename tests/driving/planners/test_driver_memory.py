"""State that a driver keeps between ticks."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, street

from wm_planner.driving.planners.driver_memory import MAX_YAW_RATE, DriverMemory
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of


@pytest.fixture
def view():
    return view_of(DrivingSimulator(street([(40.0, 0, 6.0)]), DrivingSimulator.Options(picture=None)))


def at(view, step, yaw=0.0):
    """The view some steps later, with the car ahead at a yaw."""
    states = view.agents.states.copy()
    states[0, :, 2] = yaw
    return replace(view, step=view.step + step, agents=replace(view.agents, states=states))


def observe(memory, view):
    memory.observe(view)
    memory.record(view, np.zeros((41, 3)), np.zeros((41, 6)))
    return memory.yaw_rates(view)


def test_one_noisy_heading_is_not_a_turn_but_two_are(view):
    memory = DriverMemory()
    assert [observe(memory, at(view, step, yaw))[0] for step, yaw in enumerate([0, 0, 0, 0.03])] == [0] * 4
    assert observe(memory, at(view, 4, 0.06))[0] == pytest.approx(0.03 / DT)


def test_yaw_rates_are_clipped(view):
    memory = DriverMemory()
    rates = [observe(memory, at(view, step, 0.5 * step))[0] for step in range(4)]
    assert rates[-1] == MAX_YAW_RATE


def test_history_and_plans_are_kept_until_a_step_is_skipped(view):
    memory = DriverMemory()
    for step in range(30):
        observe(memory, at(view, step))
    assert memory.history().shape == (15, 6)
    assert [plan.steps for plan in memory.previous_plans(at(view, 30))] == [1, 5]
    memory.observe(at(view, 40))
    assert memory.history().shape == (0, 6)
    assert not memory.previous_plans(at(view, 40))
    assert not memory.shifted_plans()
