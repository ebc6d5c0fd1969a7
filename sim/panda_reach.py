"""A Panda arm brings its fingertips to where a goal picture shows them, above an empty table."""

from pathlib import Path

from wm_planner.manipulation.reach import Reach

SCENE = Reach(
    model_file=Path(__file__).with_suffix(".xml"),
    low=(0.36, -0.28, 0.08),
    high=(0.68, 0.28, 0.40),
)
