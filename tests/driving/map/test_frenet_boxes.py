import numpy as np
import pytest

from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.map.frenet_boxes import FrenetBoxes

LINE = Centreline([[0.0, 0.0], [100.0, 0.0]])


def on_line(*boxes, speed=5.0):
    return FrenetBoxes.from_boxes(LINE, np.array(boxes).reshape(-1, 5), np.full(len(boxes), speed))


def test_the_leader_is_the_nearest_box_ahead_bumper_to_bumper():
    boxes = on_line([30, 0, 0, 4, 2], [50, 0, 0, 4, 2], [5, 0, 0, 4, 2])
    assert boxes.leader(10.0, 2.0, 1.0) == (16.0, 5.0)


def test_an_empty_line_has_no_leader():
    assert on_line().leader(10.0, 2.0, 1.0) == (np.inf, 0.0)


@pytest.mark.parametrize(("offset", "gap"), [(1.9, 16.0), (2.1, np.inf)])
def test_only_laterally_overlapping_boxes_lead(offset, gap):
    assert on_line([30, offset, 0, 4, 2]).leader(10.0, 2.0, 1.0)[0] == gap


def test_a_box_across_the_line_occupies_its_width_and_has_no_speed_along_it():
    gap, speed = on_line([30, 0, np.pi / 2, 4, 2]).leader(10.0, 2.0, 1.0)
    assert gap == pytest.approx(17.0)
    assert speed == pytest.approx(0.0)


def test_an_oncoming_box_has_a_negative_speed():
    assert on_line([30, 0, np.pi, 4, 2]).leader(10.0, 2.0, 1.0)[1] == pytest.approx(-5.0)


def test_an_absent_box_does_not_lead():
    assert on_line([np.nan] * 5, [40, 0, 0, 4, 2]).leader(10.0, 2.0, 1.0)[0] == 26.0


def test_the_follower_is_the_nearest_behind():
    boxes = on_line([5, 0, 0, 4, 2], [2, 0, 0, 4, 2], [30, 0, 0, 4, 2], [8, 4, 0, 4, 2])
    assert boxes.follower(10.0, 2.0, 1.0) == 0
    assert boxes.follower(1.0, 2.0, 1.0) is None
