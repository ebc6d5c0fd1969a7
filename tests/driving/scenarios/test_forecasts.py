import numpy as np

from wm_planner.driving.scenarios.forecasts import constant_turn_rate, constant_velocity

STATES = np.array([[0, 0, 0, 10.0], [5, 5, np.pi / 2, 4.0], [np.nan] * 4])


def test_constant_velocity_is_straight():
    after = constant_velocity(STATES, 0.5, 4)
    assert after.shape == (4, 3, 4)
    np.testing.assert_allclose(after[-1, 0], [20, 0, 0, 10])
    np.testing.assert_allclose(after[-1, 1], [5, 13, np.pi / 2, 4])
    assert np.isnan(after[:, 2]).all()


def test_a_constant_turn_rate_is_a_circle():
    after = constant_turn_rate(STATES[0], 0.5, 0.1, 63)
    np.testing.assert_allclose(np.hypot(after[:, 0], after[:, 1] - 20), 20)
    np.testing.assert_allclose(after[:, 2], 0.05 * np.arange(1, 64))


def test_each_agent_turns_at_its_own_rate():
    many = constant_turn_rate(STATES[:2], [0.0, -0.3], 0.1, 30)
    np.testing.assert_allclose(many[:, 0], constant_velocity(STATES[0], 0.1, 30))
    np.testing.assert_allclose(many[:, 1], constant_turn_rate(STATES[1], -0.3, 0.1, 30))


def test_states_may_have_batch_axes():
    batch = np.stack([STATES[:2], STATES[:2] + 1])
    assert constant_velocity(batch, 0.1, 7).shape == (7, 2, 2, 4)
