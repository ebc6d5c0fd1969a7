import itertools
import math

import pytest

from wm_planner.parallel import on_ray, parallel


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_and_items_may_be_endless(jobs):
    with parallel(math.sqrt, itertools.count(), jobs) as results:
        assert list(itertools.islice(results, 9)) == [math.sqrt(i) for i in range(9)]


def test_results_may_come_as_they_are_done():
    with parallel(math.sqrt, range(5), 2, ordered=False) as results:
        assert sorted(results) == [math.sqrt(i) for i in range(5)]


def test_an_error_in_a_process_is_raised_here():
    with pytest.raises(ValueError, match=r"math domain|nonnegative"), parallel(math.sqrt, [-1], 2) as results:
        next(results)


@pytest.mark.slow
def test_work_runs_on_a_ray_cluster():
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    with on_ray(), parallel(math.sqrt, range(20), 2) as results:
        assert list(results) == [math.sqrt(i) for i in range(20)]
