"""Scenes whose starts and goals cannot be drawn say so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wm_planner.errors import SimulationError
from wm_planner.manipulation.simulation.reach import Reach

SCENE = Reach(Path("toy.xml"), low=(0.0, 0.0, 0.0), high=(0.3, 0.3, 0.3), min_distance=0.1)


class Blocked(Reach):
    def free(self, position):
        return False


def test_a_distance_that_no_box_holds_is_refused():
    with pytest.raises(SimulationError, match=r"toy: no start and goal .* are 3.0 m apart .min_distance"):
        replace(SCENE, min_distance=3.0).sample(np.random.default_rng(0))


def test_an_empty_box_is_refused():
    with pytest.raises(SimulationError, match=r"toy: low is .0.5, 0.0, 0.0. and high .* below its high"):
        replace(SCENE, low=(0.5, 0.0, 0.0))


def test_a_box_without_a_free_position_is_refused():
    with pytest.raises(SimulationError, match="toy: none of 10000 positions in the box"):
        Blocked(SCENE.model_file, SCENE.low, SCENE.high).position(np.random.default_rng(0))
