import numpy as np
import pytest

from wm_planner.driving.metrics.displacement import argoverse, collision_rate, womd
from wm_planner.errors import ShapeError

NOW = np.zeros((1, 2))
TRUTH = np.stack([np.linspace(1, 10, 10), np.zeros(10)], axis=1)[None]  # 10 m along x


def off(*ends, mean=0.0):
    """K forecasts that are `mean` off in y, but end `ends` off in x."""
    forecasts = np.repeat(TRUTH[:, None], len(ends), axis=1).copy()
    forecasts[:, :, :, 1] += mean
    forecasts[:, :, -1, 1] = 0
    forecasts[:, :, -1, 0] += ends
    return forecasts


def test_errors_are_means_and_ends_of_the_best():
    found = argoverse(off(3.0, -1.0, mean=0.5), TRUTH, NOW).all
    assert found.fde == pytest.approx(1.0)
    assert found.ade == pytest.approx((9 * 0.5 + 1.0) / 10)


def test_argoverse_takes_the_forecast_that_ends_nearest_and_womd_the_least_of_each():
    forecasts = off(0.5, 1.0)
    forecasts[0, 0, :-1, 1] = 4.0  # ends nearer, but was farther off before
    assert argoverse(forecasts, TRUTH, NOW).all.ade == pytest.approx((9 * 4 + 0.5) / 10)
    assert womd(forecasts, TRUTH, NOW, [0.0], [5.0], 3).all.ade == pytest.approx(0.1)


@pytest.mark.parametrize(("end", "rate"), [(1.999, 0.0), (2.001, 1.0)])
def test_argoverse_misses_beyond_two_metres(end, rate):
    assert argoverse(off(end), TRUTH, NOW).all.miss_rate == rate


@pytest.mark.parametrize(
    ("horizon", "speed", "aside", "ahead"),
    [(3, 11.0, 1.0, 2.0), (5, 20.0, 1.8, 3.6), (8, 11.0, 3.0, 6.0), (3, 1.4, 0.5, 1.0), (8, 6.2, 2.25, 4.5)],
)
def test_womd_misses_beyond_a_box_that_grows_with_speed(horizon, speed, aside, ahead):
    for along, across, rate in ((0.99, 0.99, 0.0), (1.01, 0.0, 1.0), (0.0, 1.01, 1.0)):
        forecasts = np.repeat(TRUTH[:, None], 1, axis=1).copy()
        forecasts[0, 0, -1] += (along * ahead, across * aside)
        assert womd(forecasts, TRUTH, NOW, [0.0], [speed], horizon).all.miss_rate == rate
        turned = forecasts[..., ::-1], TRUTH[..., ::-1], NOW
        assert womd(*turned, [np.pi / 2], [speed], horizon).all.miss_rate == rate


def test_all_of_womds_forecasts_must_miss():
    assert womd(off(9.0, 0.0), TRUTH, NOW, [0.0], [5.0], 3).all.miss_rate == 0


def test_doubt_is_added_for_brier_scores():
    found = argoverse(off(1.0, 3.0), TRUTH, NOW, [[0.4, 0.6]]).all
    assert found.brier_fde == pytest.approx(1.0 + 0.6**2)
    assert found.brier_ade == pytest.approx(0.1 + 0.6**2)


@pytest.mark.parametrize(("way", "moving"), [(4.99, 1), (5.01, 2)])
def test_who_moved_is_counted_apart(way, moving):
    parked = np.zeros((1, 10, 2)) + np.linspace(0, way, 10)[:, None] * (1, 0)
    truth = np.concatenate([TRUTH, parked])
    forecasts = np.repeat(truth[:, None], 1, axis=1).copy()
    forecasts[0] += (0, 2)
    found = argoverse(forecasts, truth, np.zeros((2, 2)))
    assert (found.all.agents, found.moving.agents) == (2, moving)
    assert found.all.ade == pytest.approx(1.0)
    assert found.moving.ade == pytest.approx(2.0 / moving)


def test_nobody_who_moves_has_no_mean():
    parked = np.zeros((1, 10, 2))
    assert np.isnan(argoverse(parked[:, None], parked, NOW).moving.ade)


@pytest.mark.parametrize(("apart", "rate"), [(0.99, 0.5), (1.01, 0.0)])
def test_agents_of_a_world_collide_within_a_metre(apart, rate):
    worlds = np.concatenate([off(0.0, 0.0), off(0.0, 0.0)])
    worlds[1, 0] += (0, apart)
    worlds[1, 1] += (0, 5.0)
    assert collision_rate(worlds) == rate


def test_alone_nobody_collides():
    assert collision_rate(off(0.0)) == 0


def test_arrays_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match=r"forecasts have shape \(1, 1, 10, 2\), the truth \(1, 9, 2\)"):
        argoverse(off(0.0), TRUTH[:, :9], NOW)
    with pytest.raises(ShapeError, match="the horizon is 4 s, wanted one of 3"):
        womd(off(0.0), TRUTH, NOW, [0.0], [5.0], 4)
