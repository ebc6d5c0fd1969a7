"""Generators of the scenarios in `sim/`; `python -m wm_planner.driving.generation sim` writes them."""

from collections.abc import Callable

from wm_planner.driving.generation.crossings import left_turn, roundabout
from wm_planner.driving.generation.example import Example
from wm_planner.driving.generation.highway import (
    cruise,
    cut_in,
    merge,
    slow_car,
)
from wm_planner.driving.generation.street import narrow_passage, pedestrian

EXAMPLES: dict[str, Callable[[], Example]] = {
    "drive_cruise": cruise,
    "drive_cut_in": cut_in,
    "drive_merge": merge,
    "drive_slow_car": slow_car,
    "drive_left_turn": left_turn,
    "drive_roundabout": roundabout,
    "drive_pedestrian": pedestrian,
    "drive_narrow_passage": narrow_passage,
}
"""Generator by file name in `sim/` without ".xml"."""
