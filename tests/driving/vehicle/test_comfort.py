import numpy as np
import pytest
from scipy.signal import savgol_filter

from wm_planner.driving.vehicle.comfort import (
    LIMITS,
    WHOLE_DRIVE,
    comfort,
    within_limits,
)
from wm_planner.errors import ShapeError

DT = 0.1
TIME = DT * np.arange(40)


def test_constant_braking_in_a_constant_turn():
    values = comfort(12 - 2 * TIME, 0.1 * TIME, DT)
    np.testing.assert_allclose(values.longitudinal, -2, atol=1e-9)
    np.testing.assert_allclose(values.yaw_rate, 0.1, atol=1e-9)
    half_step = 0.2 * DT / 2
    np.testing.assert_allclose(values.lateral, 0.1 * (12 - 2 * TIME), atol=half_step + 1e-9)
    np.testing.assert_allclose(values.longitudinal_jerk, 0, atol=1e-9)
    np.testing.assert_allclose(values.yaw_acceleration, 0, atol=1e-9)


def test_the_default_windows_are_those_of_nuplan():
    rng = np.random.default_rng(0)
    speed, yaw, acceleration = 8 + rng.normal(size=(3, 5, 40)) * np.array([0.1, 0.01, 1])[:, None, None]
    values = comfort(speed, yaw, DT, acceleration)
    smooth = savgol_filter(acceleration, 8, 2)
    np.testing.assert_allclose(values.longitudinal, smooth, atol=1e-9)
    np.testing.assert_allclose(values.longitudinal_jerk, savgol_filter(smooth, 15, 2, 1, DT), atol=1e-9)
    rate = savgol_filter(yaw, 5, 2, 1, DT)
    np.testing.assert_allclose(values.yaw_rate, rate, atol=1e-9)
    np.testing.assert_allclose(values.yaw_acceleration, savgol_filter(yaw, 5, 3, 2, DT), atol=1e-9)
    magnitude = savgol_filter(np.hypot(acceleration, speed * rate), 8, 2)
    np.testing.assert_allclose(values.jerk, savgol_filter(magnitude, 15, 2, 1, DT), atol=1e-9)


def test_the_window_may_be_the_whole_trajectory():
    rng = np.random.default_rng(1)
    acceleration = rng.normal(size=(3, 40))
    values = comfort(np.full((3, 40), 8.0), np.zeros((3, 40)), DT, acceleration, WHOLE_DRIVE)
    np.testing.assert_allclose(values.longitudinal, savgol_filter(acceleration, 40, 2), atol=1e-9)
    smooth = savgol_filter(acceleration, 8, 2)
    np.testing.assert_allclose(values.longitudinal_jerk, savgol_filter(smooth, 40, 2, 1, DT), atol=1e-9)


def test_headings_may_wrap():
    yaw = 3 + 0.2 * TIME
    wrapped = comfort(np.full(40, 5.0), np.arctan2(np.sin(yaw), np.cos(yaw)), DT)
    np.testing.assert_allclose(wrapped.yaw_rate, 0.2, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "drive"),
    [
        ("longitudinal", lambda a: (40 + a * TIME, 0 * TIME)),
        ("lateral", lambda a: (np.full(40, 10.0), a / 10 * TIME)),
        ("yaw_rate", lambda a: (np.full(40, 1.0), a * TIME)),
        ("yaw_acceleration", lambda a: (np.full(40, 0.1), a / 2 * (TIME - 2) ** 2)),
        ("longitudinal_jerk", lambda a: (40 + a / 2 * (TIME - 2) ** 2, 0 * TIME)),
    ],
)
def test_each_limit_separates_values_just_below_from_values_just_above(name, drive):
    for limit in LIMITS[name]:
        within = within_limits(comfort(*drive(0.85 * limit), DT))
        beyond = within_limits(comfort(*drive(1.02 * limit), DT))
        assert within[name] and not beyond[name]


def test_a_jerky_trajectory_violates_the_jerk_limit():
    surge = np.stack([np.zeros(40), 12 * np.abs(TIME - 2)])
    kept = within_limits(comfort(np.full((2, 40), 20.0), np.zeros((2, 40)), DT, surge))
    assert kept["jerk"].tolist() == [True, False]


def test_short_trajectories_shorten_the_windows():
    values = comfort([5.0, 5.2, 5.4, 5.6], np.zeros(4), DT)
    np.testing.assert_allclose(values.longitudinal, 2)


def test_a_trajectory_that_is_too_short_is_refused():
    with pytest.raises(
        ShapeError, match=r"speed has shape \(3,\), yaw \(3,\): wanted \(\.\.\., T\) both, T >= 4"
    ):
        comfort(np.zeros(3), np.zeros(3), DT)
