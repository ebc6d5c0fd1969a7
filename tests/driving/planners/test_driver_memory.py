"""What a driver remembers from tick to tick."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, street

from wm_planner.driving.planners.driver_memory import FASTEST_TURN, DriverMemory
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of


@pytest.fixture
def view():
    return view_of(DrivingSimulator(street([(40.0, 0, 6.0)]), DrivingSimulator.Options(picture=None)))


def at(view, step, yaw=0.0):
    """The view at a later step, the car ahead turned to a yaw."""
    states = view.agents.states.copy()
    states[0, :, 2] = yaw
    return replace(view, step=view.step + step, agents=replace(view.agents, states=states))


def look(memory, view):
    memory.observe(view)
    memory.record(view, np.zeros((41, 3)), np.zeros((41, 6)))
    return memory.yaw_rates(view)


def test_one_noisy_heading_is_no_turn_and_two_are(view):
    memory = DriverMemory()
    assert [look(memory, at(view, step, yaw))[0] for step, yaw in enumerate([0, 0, 0, 0.03])] == [0] * 4
    assert look(memory, at(view, 4, 0.06))[0] == pytest.approx(0.03 / DT)


def test_nobody_turns_faster_than_cars_do(view):
    memory = DriverMemory()
    turns = [look(memory, at(view, step, 0.5 * step))[0] for step in range(4)]
    assert turns[-1] == FASTEST_TURN


def test_the_last_moments_are_remembered_until_a_step_is_missed(view):
    memory = DriverMemory()
    for step in range(30):
        look(memory, at(view, step))
    assert memory.history().shape == (15, 6)
    assert [each.steps for each in memory.previous_plans(at(view, 30))] == [1, 5]
    memory.observe(at(view, 40))
    assert memory.history().shape == (0, 6)
    assert not memory.previous_plans(at(view, 40))
    assert not memory.shifted_plan(at(view, 40))
