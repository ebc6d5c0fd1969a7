"""Displacement metrics of motion forecasts: hand-made forecasts at each threshold."""

import numpy as np
import pytest

from wm_planner.driving.metrics.displacement import argoverse, collision_rate, womd
from wm_planner.errors import ShapeError

NOW = np.zeros((1, 2))
TRUTH = np.stack([np.linspace(1, 10, 10), np.zeros(10)], axis=1)[None]  # 10 m along x


def with_errors(*ends, mean=0.0):
    """K forecasts with an error `mean` in y, except at the end, where the errors in x are `ends`."""
    forecasts = np.repeat(TRUTH[:, None], len(ends), axis=1).copy()
    forecasts[:, :, :, 1] += mean
    forecasts[:, :, -1, 1] = 0
    forecasts[:, :, -1, 0] += ends
    return forecasts


def test_ade_and_fde_are_those_of_the_best_forecast():
    errors = argoverse(with_errors(3.0, -1.0, mean=0.5), TRUTH, NOW).all
    assert errors.fde == pytest.approx(1.0)
    assert errors.ade == pytest.approx((9 * 0.5 + 1.0) / 10)


def test_argoverse_picks_the_best_final_error_and_womd_the_minimum_of_each():
    forecasts = with_errors(0.5, 1.0)
    forecasts[0, 0, :-1, 1] = 4.0  # ends closer, but was farther away before
    assert argoverse(forecasts, TRUTH, NOW).all.ade == pytest.approx((9 * 4 + 0.5) / 10)
    assert womd(forecasts, TRUTH, NOW, [0.0], [5.0], 3).all.ade == pytest.approx(0.1)


@pytest.mark.parametrize(("end", "rate"), [(1.999, 0.0), (2.001, 1.0)])
def test_argoverse_counts_misses_beyond_two_metres(end, rate):
    assert argoverse(with_errors(end), TRUTH, NOW).all.miss_rate == rate


@pytest.mark.parametrize(
    ("horizon", "speed", "lateral", "longitudinal"),
    [(3, 11.0, 1.0, 2.0), (5, 20.0, 1.8, 3.6), (8, 11.0, 3.0, 6.0), (3, 1.4, 0.5, 1.0), (8, 6.2, 2.25, 4.5)],
)
def test_womd_misses_beyond_a_box_that_grows_with_speed(horizon, speed, lateral, longitudinal):
    for along, across, rate in ((0.99, 0.99, 0.0), (1.01, 0.0, 1.0), (0.0, 1.01, 1.0)):
        forecasts = np.repeat(TRUTH[:, None], 1, axis=1).copy()
        forecasts[0, 0, -1] += (along * longitudinal, across * lateral)
        assert womd(forecasts, TRUTH, NOW, [0.0], [speed], horizon).all.miss_rate == rate
        turned = forecasts[..., ::-1], TRUTH[..., ::-1], NOW
        assert womd(*turned, [np.pi / 2], [speed], horizon).all.miss_rate == rate


def test_womd_counts_a_miss_only_if_all_forecasts_miss():
    assert womd(with_errors(9.0, 0.0), TRUTH, NOW, [0.0], [5.0], 3).all.miss_rate == 0


def test_brier_scores_add_the_squared_missing_probability():
    errors = argoverse(with_errors(1.0, 3.0), TRUTH, NOW, [[0.4, 0.6]]).all
    assert errors.brier_fde == pytest.approx(1.0 + 0.6**2)
    assert errors.brier_ade == pytest.approx(0.1 + 0.6**2)


@pytest.mark.parametrize(("distance", "moving"), [(4.99, 1), (5.01, 2)])
def test_moving_agents_are_counted_separately(distance, moving):
    parked = np.zeros((1, 10, 2)) + np.linspace(0, distance, 10)[:, None] * (1, 0)
    truth = np.concatenate([TRUTH, parked])
    forecasts = np.repeat(truth[:, None], 1, axis=1).copy()
    forecasts[0] += (0, 2)
    errors = argoverse(forecasts, truth, np.zeros((2, 2)))
    assert (errors.all.agents, errors.moving.agents) == (2, moving)
    assert errors.all.ade == pytest.approx(1.0)
    assert errors.moving.ade == pytest.approx(2.0 / moving)


def test_means_are_nan_without_moving_agents():
    parked = np.zeros((1, 10, 2))
    assert np.isnan(argoverse(parked[:, None], parked, NOW).moving.ade)


@pytest.mark.parametrize(("distance", "rate"), [(0.99, 0.5), (1.01, 0.0)])
def test_agents_of_a_world_collide_within_a_metre(distance, rate):
    worlds = np.concatenate([with_errors(0.0, 0.0), with_errors(0.0, 0.0)])
    worlds[1, 0] += (0, distance)
    worlds[1, 1] += (0, 5.0)
    assert collision_rate(worlds) == rate


def test_a_single_agent_does_not_collide():
    assert collision_rate(with_errors(0.0)) == 0


def test_arrays_of_other_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"forecasts have shape \(1, 1, 10, 2\), the truth \(1, 9, 2\)"):
        argoverse(with_errors(0.0), TRUTH[:, :9], NOW)
    with pytest.raises(ShapeError, match="the horizon is 4 s, wanted one of 3"):
        womd(with_errors(0.0), TRUTH, NOW, [0.0], [5.0], 4)
