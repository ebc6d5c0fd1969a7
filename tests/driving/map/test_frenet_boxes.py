import numpy as np
import pytest

from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.map.frenet_boxes import FrenetBoxes

LINE = Centreline([[0.0, 0.0], [100.0, 0.0]])


def corridor(*boxes, speed=5.0):
    return FrenetBoxes.from_boxes(LINE, np.array(boxes).reshape(-1, 5), np.full(len(boxes), speed))


def test_the_leader_is_the_nearest_box_ahead_bumper_to_bumper():
    seen = corridor([30, 0, 0, 4, 2], [50, 0, 0, 4, 2], [5, 0, 0, 4, 2])
    assert seen.leader(10.0, 2.0, 1.0) == (16.0, 5.0)


def test_nobody_leads_on_an_empty_line():
    assert corridor().leader(10.0, 2.0, 1.0) == (np.inf, 0.0)


@pytest.mark.parametrize(("aside", "gap"), [(1.9, 16.0), (2.1, np.inf)])
def test_a_box_counts_where_widths_overlap(aside, gap):
    assert corridor([30, aside, 0, 4, 2]).leader(10.0, 2.0, 1.0)[0] == gap


def test_a_box_across_the_line_is_as_long_as_it_is_wide_and_has_no_speed_along_it():
    gap, speed = corridor([30, 0, np.pi / 2, 4, 2]).leader(10.0, 2.0, 1.0)
    assert gap == pytest.approx(17.0)
    assert speed == pytest.approx(0.0)


def test_who_comes_the_other_way_has_a_speed_below_0():
    assert corridor([30, 0, np.pi, 4, 2]).leader(10.0, 2.0, 1.0)[1] == pytest.approx(-5.0)


def test_an_absent_box_leads_nobody():
    assert corridor([np.nan] * 5, [40, 0, 0, 4, 2]).leader(10.0, 2.0, 1.0)[0] == 26.0


def test_the_follower_is_the_nearest_behind():
    seen = corridor([5, 0, 0, 4, 2], [2, 0, 0, 4, 2], [30, 0, 0, 4, 2], [8, 4, 0, 4, 2])
    assert seen.follower(10.0, 2.0, 1.0) == 0
    assert seen.follower(1.0, 2.0, 1.0) is None
