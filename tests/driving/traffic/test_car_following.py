import numpy as np
import pytest

from wm_planner.driving.traffic.car_following import (
    IDM,
    MOBIL,
    advance,
    leader_gaps,
)


def test_on_a_free_road_the_desired_speed_is_kept():
    idm = IDM()
    assert idm.accelerations(10.0, np.inf, 0.0) == pytest.approx(0)
    assert idm.accelerations(0.0, np.inf, 0.0) == pytest.approx(1.0)
    np.testing.assert_allclose(
        idm.accelerations([5.0, 5.0], np.inf, 0.0, desired_speed=[5.0, 10.0]), [0, 1 - 0.5**4]
    )


def test_the_equilibrium_gap_agrees_with_the_formula():
    idm, speed = IDM(), 6.0
    gap = (1 + 6 * 1.5) / np.sqrt(1 - 0.6**4)
    assert idm.accelerations(speed, gap, speed) == pytest.approx(0, abs=1e-12)
    assert idm.accelerations(speed, gap - 1, speed) < 0 < idm.accelerations(speed, gap + 1, speed)


def test_braking_when_closing_in_agrees_with_the_formula():
    desired = 1 + 8 * 1.5 + 8 * 3 / (2 * np.sqrt(2))
    assert IDM().accelerations(8.0, 30.0, 5.0) == pytest.approx(1 - 0.8**4 - (desired / 30) ** 2)


def test_a_leader_that_pulls_away_causes_no_extra_braking():
    """Without the lower bound, the square of a negative desired gap would brake."""
    assert IDM().accelerations(10.0, 50.0, 40.0) == pytest.approx(-((1 / 50) ** 2), abs=1e-9)


@pytest.mark.parametrize("gap", [0.0, -3.0])
def test_an_overlap_causes_maximum_braking(gap):
    assert IDM().accelerations(5.0, gap, 5.0) == -9.0


def test_a_queue_stops_at_a_wall_without_contact():
    idm, dt = IDM(), 0.1
    s, speed = np.array([[0.0, -20.0, -40.0], [0.0, -12.0, -30.0]]), np.full((2, 3), 9.0)
    for _ in range(600):
        wall = np.concatenate([s, np.full((2, 1), 80.0)], axis=1)
        gap, lead = leader_gaps(0, wall, np.concatenate([speed, np.zeros((2, 1))], axis=1), 4.0)
        assert (gap >= 0).all()
        s, speed = advance(s, speed, idm.accelerations(speed, gap[:, :3], lead[:, :3]), dt)
    np.testing.assert_allclose(speed, 0, atol=0.01)
    np.testing.assert_allclose(s[:, 0], 80 - 4 - 1, atol=0.3)
    np.testing.assert_allclose(-np.diff(s), 5, atol=0.3)


def test_the_leader_is_the_next_agent_on_the_same_path():
    path = [[0, 1, 0, 1, 0]]
    s = [[10.0, 0.0, 30.0, 50.0, np.nan]]
    speed = [[1.0, 2.0, 3.0, 4.0, 5.0]]
    gap, lead = leader_gaps(path, s, speed, [4.0, 4.0, 8.0, 2.0, 4.0])
    np.testing.assert_array_equal(gap, [[14.0, 47.0, np.inf, np.inf, np.inf]])
    np.testing.assert_array_equal(lead, [[3.0, 4.0, 0, 0, 0]])


def test_leaders_are_found_separately_in_each_rollout():
    rng = np.random.default_rng(0)
    path, s = rng.integers(0, 3, (40, 9)), rng.uniform(0, 100, (40, 9))
    speed, length = rng.uniform(0, 9, (40, 9)), rng.uniform(1, 9, (40, 9))
    gap, lead = leader_gaps(path, s, speed, length)
    for n in range(40):
        for a in range(9):
            ahead = [b for b in range(9) if path[n, b] == path[n, a] and s[n, b] > s[n, a]]
            if not ahead:
                assert gap[n, a] == np.inf and lead[n, a] == 0
                continue
            b = min(ahead, key=lambda b: s[n, b])
            assert gap[n, a] == pytest.approx(s[n, b] - s[n, a] - (length[n, a] + length[n, b]) / 2)
            assert lead[n, a] == speed[n, b]


def test_braking_ends_at_standstill():
    s, speed = advance([0.0, 0.0, 0.0], [2.0, 2.0, 0.0], [-4.0, 1.0, -1.0], 1.0)
    np.testing.assert_allclose(s, [0.5, 2.5, 0])
    np.testing.assert_allclose(speed, [0, 3, 0])


def test_a_lane_change_needs_a_gain_and_must_be_safe():
    mobil = MOBIL(politeness=0.5, threshold=0.2, safe_braking=4.0)
    no_change = (0.0, 0.0)
    assert mobil.should_change((0.0, 0.3), no_change, no_change)
    assert not mobil.should_change((0.0, 0.1), no_change, no_change)
    assert not mobil.should_change(
        (0.0, 0.3), (0.0, -0.4), no_change
    )  # the loss of the new follower outweighs the gain
    assert mobil.should_change((0.0, 0.3), (0.0, -0.4), (-0.6, 0.0))  # but the old follower gains
    assert not mobil.should_change((-3.0, 5.0), (0.0, -4.1), no_change)
    assert MOBIL(bias=0.3).should_change(no_change, no_change, no_change)
    many = mobil.should_change((np.zeros(3), np.array([0.1, 0.3, 0.5])), no_change, no_change)
    assert many.tolist() == [False, True, True]
