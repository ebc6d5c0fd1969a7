import numpy as np
import pytest
from scipy.integrate import solve_ivp

from wm_planner.contracts.observation import Observation
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.vehicle.bicycle_model import BicycleModel
from wm_planner.driving.vehicle.vehicle import (
    BMW_320I,
    PACIFICA,
    STEERING,
    VEHICLES,
)
from wm_planner.errors import ShapeError

DT = 0.1


def exact(vehicle, state, command, dt):
    """One step of the single-track model, by numerical integration of its differential equation."""

    def slope(_, now):
        yaw, speed, steering = now[2:]
        turn = speed * np.tan(steering) / vehicle.wheelbase_m
        return speed * np.cos(yaw), speed * np.sin(yaw), turn, command[0], command[1]

    start = state[[0, 1, YAW, SPEED, STEERING]]
    return solve_ivp(slope, (0, dt), start, rtol=1e-10, atol=1e-12).y[:, -1]


@pytest.mark.parametrize("command", [(0, 0), (2, 0.3), (-6, -0.4), (1.5, 0.4)])
def test_a_step_solves_the_differential_equation(command):
    state = np.array([3.0, -2.0, 0.7, 20.0, 0.0, 0.03])
    there = BMW_320I.step(state, command, DT)[[0, 1, YAW, SPEED, STEERING]]
    np.testing.assert_allclose(there, exact(BMW_320I, state, command, DT), atol=1e-3)


def test_a_rollout_equals_consecutive_steps():
    rng = np.random.default_rng(0)
    now = np.zeros((5, 6))
    now[:, SPEED] = rng.uniform(0, 20, 5)
    commands = rng.normal(size=(5, 30, 2)) * (3, 0.3)
    driven = PACIFICA.rollout(now, commands, DT)
    for h in range(30):
        now = PACIFICA.step(now, commands[:, h], DT)
        np.testing.assert_allclose(driven[:, h], now, atol=1e-9)


def test_without_limits_and_lags_it_equals_the_bicycle_model():
    model = BicycleModel(BicycleModel.Config(wheelbase_m=BMW_320I.wheelbase_m))
    plan = np.tile(np.array([-1.5, 0.2], np.float32), (1, 20, 1))
    state = {"position": np.zeros(2), "heading": np.zeros(1), "speed": np.full(1, 6.0)}
    predicted = model.rollout(model.encode(Observation({}, state)), plan).states
    start = np.array([0, 0, 0, 6.0, 0, 0.2])
    driven = BMW_320I.rollout(start, np.tile([-1.5, 0.0], (20, 1)), DT)
    np.testing.assert_allclose(driven[:, :2], predicted["position"][0], atol=1e-4)
    np.testing.assert_allclose(driven[:, YAW], predicted["heading"][0, :, 0], atol=1e-5)


def test_the_lags_are_first_order():
    driven = PACIFICA.rollout(np.array([0, 0, 0, 5.0, 0, 0]), np.tile([1.0, 0.3], (3, 1)), DT)
    np.testing.assert_allclose(driven[:, 4], [1 / 3, 5 / 9, 19 / 27])  # 0.1 / (0.1 + 0.2) of the gap per step
    np.testing.assert_allclose(driven[:, STEERING], 0.02 * np.arange(1, 4))  # 0.1 / (0.1 + 0.05) of 0.03


def test_the_limits_hold_for_every_command():
    commands = np.tile(np.array([[100.0, 5.0], [-100.0, -5.0]])[:, None], (1, 80, 1))
    start = np.array([0, 0, 0, 10.0, 0, 0])
    fast, slow = BMW_320I.rollout(start, commands, DT)
    assert fast[-1, SPEED] <= 50.8 and slow[-1, SPEED] == -13.9
    assert fast[:, STEERING].max() == slow[:, STEERING].min() * -1 == 1.066
    np.testing.assert_allclose(np.diff(fast[:5, STEERING]), 0.04)
    assert fast[0, 4] == pytest.approx(11.5 * 7.319 / 10)  # above the switching speed, power is the limit
    assert slow[0, 4] == pytest.approx(-11.5)


def test_at_standstill_the_deceleration_is_zero():
    driven = PACIFICA.rollout(np.array([0, 0, 0, 0.3, -3.0, 0]), np.tile([-3.0, 0], (3, 1)), DT)
    np.testing.assert_allclose(driven[:, SPEED], [0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(driven[1:, 4], 0, atol=1e-12)


@pytest.mark.parametrize("name", VEHICLES)
def test_the_box_encloses_both_axles(name):
    vehicle = VEHICLES[name]
    front = vehicle.rear_to_centre_m + vehicle.length_m / 2
    assert vehicle.wheelbase_m < front < vehicle.wheelbase_m + 1.5
    assert vehicle.rear_to_centre_m < vehicle.length_m / 2


def test_states_at_the_centre_and_at_the_rear_axle_convert_into_each_other():
    state = np.array([1.0, 2.0, np.pi / 2, 5.0])
    centre = PACIFICA.at_centre(state)
    np.testing.assert_allclose(centre, [1, 2 + 1.461, np.pi / 2, 5])
    np.testing.assert_allclose(PACIFICA.at_rear_axle(centre), state)


def test_the_wrong_shape_is_named():
    with pytest.raises(ShapeError, match=r"states has shape \(4,\), wanted \(\.\.\., 6\)"):
        PACIFICA.step(np.zeros(4), np.zeros(2), DT)


def test_the_yaw_rate_determines_the_steering_within_limits_while_rolling():
    assert BMW_320I.yaw_rate(
        np.array([0, 0, 0, 8.0, 0, BMW_320I.steering_for_yaw_rate(0.3, 8.0)])
    ) == pytest.approx(0.3)
    assert BMW_320I.steering_for_yaw_rate(50.0, 1.0) == BMW_320I.max_steering
    assert BMW_320I.steering_for_yaw_rate(0.3, 0.4, default=0.1) == 0.1
