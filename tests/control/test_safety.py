import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wm_planner.clock import ManualClock
from wm_planner.control.safety import Hold, Limits, Watchdog
from wm_planner.errors import ConfigError, ShapeError

LIMITS = Limits(low=np.array([-1.0, -2.0]), high=np.array([1.0, 2.0]), rate=np.array([0.5, 1.0]))


def test_a_command_within_its_limits_is_not_changed():
    limited = LIMITS.apply(np.array([0.04, -0.1]), np.zeros(2), dt_s=0.1)
    np.testing.assert_array_equal(limited.command, [0.04, -0.1])
    assert not limited.clipped.any()


def test_a_command_too_far_away_is_limited_in_rate():
    limited = LIMITS.apply(np.array([0.9, 0.05]), np.zeros(2), dt_s=0.1)
    np.testing.assert_allclose(limited.command, [0.05, 0.05])
    assert limited.clipped.tolist() == [True, False]


def test_coupled_components_slow_down_together_and_the_others_alone():
    limits = Limits(np.full(3, -1.0), np.full(3, 1.0), rate=np.array([0.5, 1.0, 1.0]), coupled=2)
    limited = limits.apply(np.array([0.1, -0.04, 0.5]), np.zeros(3), dt_s=0.1)
    np.testing.assert_allclose(limited.command, [0.05, -0.02, 0.1])
    np.testing.assert_array_equal(limits.apply(np.full(3, 0.03), np.zeros(3), 0.1).command, np.full(3, 0.03))


def test_a_command_out_of_bounds_stops_at_the_bound():
    limited = LIMITS.apply(np.array([1.2, -2.5]), np.array([0.99, -1.99]), dt_s=0.1)
    np.testing.assert_allclose(limited.command, [1.0, -2.0])
    assert limited.clipped.all()


def test_the_return_into_bounds_is_rate_limited():
    limited = LIMITS.apply(np.array([0.0, 0.0]), np.array([1.5, 0.0]), dt_s=0.1)
    np.testing.assert_allclose(limited.command, [1.45, 0.0])


def test_a_non_finite_component_keeps_its_previous_value():
    limited = LIMITS.apply(np.array([np.nan, np.inf]), np.array([0.3, -0.3]), dt_s=0.1)
    np.testing.assert_array_equal(limited.command, [0.3, -0.3])
    assert limited.clipped.all()


@given(
    command=st.floats(allow_nan=True, allow_infinity=True),
    previous=st.floats(-1, 1),
    dt_s=st.floats(0, 1),
)
def test_the_limits_hold_for_any_command(command, previous, dt_s):
    limited = LIMITS.apply(np.array([command, 0.0]), np.array([previous, 0.0]), dt_s)
    assert -1 <= limited.command[0] <= 1
    assert abs(limited.command[0] - previous) <= 0.5 * dt_s + 1e-12
    assert limited.clipped[0] == (limited.command[0] != command)


def test_contradictory_limits_are_refused():
    with pytest.raises(ConfigError, match="wanted low < high"):
        Limits(np.array([1.0]), np.array([-1.0]), np.array([1.0]))
    with pytest.raises(ConfigError, match="one value per joint"):
        Limits(np.zeros(2), np.ones(3), np.ones(2))


def test_a_command_of_the_wrong_length_is_refused():
    with pytest.raises(ShapeError, match=r"command of shape \(7,\).*limits are for \(2,\)"):
        LIMITS.apply(np.zeros(7), np.zeros(7), dt_s=0.1)


def test_an_input_is_stale_before_the_first_feed_and_once_it_is_old():
    clock = ManualClock(1_000_000_000)
    watchdog = Watchdog(clock, limit_s=0.2)
    assert watchdog.stale and watchdog.age_s == float("inf")
    watchdog.feed()
    clock.set_ns(1_200_000_000)
    assert not watchdog.stale
    assert watchdog.age_s == pytest.approx(0.2)
    clock.set_ns(1_200_000_001)
    assert watchdog.stale


def test_age_counts_from_the_stamp_and_older_inputs_are_ignored():
    clock = ManualClock(500_000_000)
    watchdog = Watchdog(clock, limit_s=0.1)
    watchdog.feed(stamp_ns=450_000_000)
    watchdog.feed(stamp_ns=300_000_000)
    assert watchdog.age_s == pytest.approx(0.05)
    watchdog.reset()
    assert watchdog.stale


def test_holding_keeps_the_initial_position_while_the_arm_sags():
    hold = Hold()
    assert not hold.active
    np.testing.assert_array_equal(hold.at(np.array([0.5])), [0.5])
    np.testing.assert_array_equal(hold.at(np.array([0.4])), [0.5])
    assert hold.active
    hold.release()
    np.testing.assert_array_equal(hold.at(np.array([0.4])), [0.4])


def test_a_held_position_is_a_copy_of_the_measurement():
    hold, measured = Hold(), np.array([0.5])
    hold.at(measured)
    measured[0] = 9.0
    np.testing.assert_array_equal(hold.at(measured), [0.5])
