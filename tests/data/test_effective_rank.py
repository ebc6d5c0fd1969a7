import numpy as np
import pytest

from wm_planner.data.effective_rank import effective_rank


def test_effective_rank_counts_directions_of_equal_variance():
    rng = np.random.default_rng(0)
    three = rng.standard_normal((4000, 3)) @ np.linalg.qr(rng.standard_normal((9, 9)))[0][:3]
    assert effective_rank(three) == pytest.approx(3.0, abs=0.01)
    assert effective_rank(np.outer(rng.standard_normal(50), np.ones(4))) == pytest.approx(1.0, abs=1e-6)


def test_effective_rank_of_few_long_vectors_is_that_of_many_short_ones():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((12, 5))
    wide = z @ np.linalg.qr(rng.standard_normal((40, 5)))[0].T
    assert effective_rank(wide) == pytest.approx(effective_rank(z))


def test_effective_rank_of_equal_vectors_is_one():
    assert effective_rank(np.ones((10, 3))) == 1.0
