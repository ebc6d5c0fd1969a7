import numpy as np
import pytest

from wm_planner.driving.traffic.speed_profile import arc_lengths, curve_speed, max_speed_profile


def test_the_curve_speed_is_the_root_of_acceleration_times_radius():
    np.testing.assert_allclose(curve_speed([0.02, -0.02, 0.0], 2.0), [10, 10, np.inf])


def test_a_profile_respects_speed_and_acceleration_limits():
    s = np.linspace(0, 200, 401)
    limit = np.where((s > 80) & (s < 100), 5.0, 14.0)
    speed = max_speed_profile(s, limit, start=3.0, acceleration=1.5, braking=3.0)
    acceleration = np.diff(speed**2) / (2 * np.diff(s))
    assert (speed <= limit + 1e-9).all() and speed[0] == 3
    assert acceleration.max() == pytest.approx(1.5) and acceleration.min() == pytest.approx(-3.0)
    assert speed[(s > 80) & (s < 100)] == pytest.approx(5.0)
    assert speed.max() == pytest.approx(14)


def test_the_profile_is_the_fastest_one():
    """Each speed is at its limit, or connected to a neighbour by maximum acceleration or braking."""
    rng = np.random.default_rng(0)
    s, limit = np.cumsum(rng.uniform(0.5, 2, 60)), rng.uniform(2, 15, 60)
    speed = max_speed_profile(s, limit, start=20.0, acceleration=1.0, braking=2.0)
    rate = np.diff(speed**2) / (2 * np.diff(s))
    tight = np.isclose(speed, limit)
    tight[1:] |= np.isclose(rate, 1.0)
    tight[:-1] |= np.isclose(rate, -2.0)
    assert tight.all()


def test_arc_lengths_agree_with_the_speed_profile():
    s = np.linspace(0, 100, 201)
    speed = max_speed_profile(s, 50.0, start=2.0, acceleration=1.0, braking=3.0)
    times = np.linspace(0, 8, 41)
    np.testing.assert_allclose(arc_lengths(s, speed, times), 2 * times + times**2 / 2, atol=1e-9)


def test_arc_lengths_stay_constant_after_a_stop_and_at_the_end():
    s = np.linspace(0, 40, 81)
    speed = max_speed_profile(s, np.where(s >= 20, 0.0, 10.0), start=10.0, acceleration=1.0, braking=4.0)
    there = arc_lengths(s, speed, [0, 1, 60])
    assert there[0] == 0 and there[1] == pytest.approx(10 - 0.0, abs=1.5)
    assert there[2] == pytest.approx(20, abs=0.5)
    np.testing.assert_allclose(arc_lengths(s, np.full(81, 10.0), [2.0, 9.0]), [20, 40])
