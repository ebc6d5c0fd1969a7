"""A Panda arm brings its fingertips to the pose shown in a goal image, above an empty table."""

from pathlib import Path

from wm_planner.manipulation.simulation.reach import Reach

SCENE = Reach(
    model_file=Path(__file__).with_suffix(".xml"),
    low=(0.36, -0.28, 0.08),
    high=(0.68, 0.28, 0.40),
)
