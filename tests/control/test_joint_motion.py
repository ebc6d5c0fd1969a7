"""Motion of joints within limits, and the postures that it does not enter."""

import numpy as np
import pytest
import ruckig

from wm_planner.control.joint_motion import JointMotion
from wm_planner.control.motion_limits import MotionLimits
from wm_planner.errors import ConfigError, ShapeError

LOW, HIGH = np.array([-1.0, -2.0]), np.array([1.0, 2.0])
LIMITS = MotionLimits.of(LOW, HIGH, np.array([1.0, 2.0]))
PERIOD_S = 0.01
ZERO = np.zeros(2)


def begun(admits=lambda q, start: True, at=ZERO):
    motion = JointMotion(LIMITS, PERIOD_S, admits)
    motion.rest(at)
    return motion


def followed(motion, count):
    return [motion.advance() for _ in range(count)]


def assert_at_rest(point):
    np.testing.assert_allclose([point.velocity, point.acceleration], 0.0, atol=1e-9)


def assert_within_limits(points, first):
    slack = 1e-6
    for before, point in zip([first, *points], points, strict=False):
        assert (point.position >= LOW - slack).all() and (point.position <= HIGH + slack).all()
        assert (np.abs(point.velocity) <= LIMITS.velocity + slack).all()
        assert (np.abs(point.acceleration) <= LIMITS.acceleration + slack).all()
        jerk = np.abs(point.acceleration - before.acceleration) / PERIOD_S
        assert (jerk <= LIMITS.jerk * (1 + 1e-6)).all()
        assert (np.abs(point.position - before.position) <= (LIMITS.velocity + slack) * PERIOD_S).all()


def test_it_is_at_its_target_at_rest_when_asked_to():
    motion = begun()
    motion.aim(np.array([0.05, -0.1]), 0.3)
    points = followed(motion, 30)
    np.testing.assert_allclose(points[-1].position, [0.05, -0.1], atol=1e-6)
    assert not np.allclose(points[14].position, points[-1].position, atol=1e-2)
    assert_at_rest(points[-1])


def test_targets_that_change_at_random_never_break_a_limit():
    motion, rng = begun(), np.random.default_rng(0)
    points, first = [], motion.now
    for _ in range(200):
        motion.aim(rng.uniform(2 * LOW, 2 * HIGH), rng.choice([0.0, 0.2]))
        if rng.random() < 0.2:
            motion.stop()
        points += followed(motion, int(rng.integers(1, 40)))
    assert_within_limits(points, first)


def test_a_target_that_is_not_finite_or_out_of_bounds_is_brought_to_what_is_nearest():
    motion = begun()
    motion.aim(np.array([np.nan, 50.0]))
    np.testing.assert_allclose(followed(motion, 400)[-1].position, [0.0, 2.0], atol=1e-6)


def test_it_stops_as_fast_as_the_limits_admit_and_stays():
    motion = begun()
    motion.aim(HIGH)
    moving = followed(motion, 40)[-1]
    motion.stop()
    points = followed(motion, 60)
    assert_within_limits(points, moving)
    assert_at_rest(points[-1])
    assert (points[-1].position < HIGH - 0.05).all()
    np.testing.assert_array_equal(points[-1].position, followed(motion, 5)[-1].position)


def test_a_target_for_which_no_motion_is_found_brings_it_to_rest(monkeypatch):
    class Solver(ruckig.Ruckig):
        def calculate(self, wanted, found):
            if wanted.control_interface == ruckig.ControlInterface.Position:
                raise ruckig.RuckigError("error in step 1")
            return super().calculate(wanted, found)

    motion = begun()
    motion.aim(np.array([0.5, 0.5]))
    points = followed(motion, 10)
    monkeypatch.setattr(motion, "_solver", Solver(2))
    motion.aim(np.array([-0.5, -0.5]))
    points += followed(motion, 60)
    assert_within_limits(points, points[0])
    assert_at_rest(points[-1])
    assert (points[-1].position > 0).all()


def test_a_set_point_from_which_no_stop_is_found_is_not_entered(monkeypatch):
    class Solver(ruckig.Ruckig):
        def calculate(self, wanted, found):
            if wanted.current_position[0] > 0.1:
                raise ruckig.RuckigError("error in step 1")
            return super().calculate(wanted, found)

    motion = begun()
    monkeypatch.setattr(motion, "_solver", Solver(2))
    motion.aim(np.array([0.5, 0.0]))
    points = followed(motion, 200)
    assert_within_limits(points, points[0])
    assert_at_rest(points[-1])
    assert motion.blocked is not None


def test_rounding_errors_of_velocities_are_no_velocities():
    motion = begun()
    motion._now = motion.now._replace(velocity=np.full(2, 2.8e-17))
    motion.aim(np.array([0.05, -0.1]), 0.3)
    assert motion._input.current_velocity == [0.0, 0.0]


def test_it_never_enters_what_is_not_admissible():
    wall = 0.5
    motion, rng = begun(lambda q, start: q[0] <= wall), np.random.default_rng(1)
    for _ in range(100):
        motion.aim(rng.uniform(LOW, HIGH))
        assert all(point.position[0] <= wall + 1e-9 for point in followed(motion, int(rng.integers(1, 60))))
    motion.aim(HIGH)
    at_wall = followed(motion, 300)[-1]
    assert_at_rest(at_wall)
    assert motion.blocked is not None and motion.blocked[0] > wall
    assert wall - at_wall.position[0] < 0.05  # it comes close


def test_it_leaves_a_posture_that_is_not_admissible():
    motion = begun(lambda q, start: q[0] <= max(0.5, start[0]), np.array([0.8, 0.0]))
    motion.aim(np.array([0.9, 0.0]))
    np.testing.assert_allclose(followed(motion, 50)[-1].position, [0.8, 0.0], atol=1e-6)
    motion.aim(ZERO)
    np.testing.assert_allclose(followed(motion, 200)[-1].position, ZERO, atol=1e-6)


def test_it_tells_where_it_will_be_without_going_there():
    motion = begun(lambda q, start: q[0] <= 0.1)
    motion.aim(np.array([0.3, 0.3]), 0.2)
    told = motion.after(0.2)
    assert motion.now.position.tolist() == [0.0, 0.0] and motion.blocked is None
    np.testing.assert_array_equal(told.position, followed(motion, 20)[-1].position)
    assert told.position[0] < 0.1  # also that it will be stopped on the way


def test_wrong_limits_and_postures_are_refused():
    with pytest.raises(ConfigError, match="wanted low < high"):
        MotionLimits.of(HIGH, LOW, np.ones(2))
    with pytest.raises(ConfigError, match="wanted positive finite numbers"):
        MotionLimits.of(LOW, HIGH, np.array([1.0, np.nan]))
    with pytest.raises(ShapeError, match="call `rest` first"):
        JointMotion(LIMITS, PERIOD_S).advance()
    with pytest.raises(ShapeError, match="wanted 2 finite values"):
        begun(at=np.array([np.nan, 0.0]))
