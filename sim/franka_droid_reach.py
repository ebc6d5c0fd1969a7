"""The arm of sim/franka_droid.py brings its open hand to the pose shown in a goal picture."""

from pathlib import Path

from wm_planner.manipulation.simulation.droid import DroidReach

SCENE = DroidReach(
    model_file=Path(__file__).with_name("franka_droid.xml"),
    low=(0.42, -0.20, 0.12),
    high=(0.66, 0.20, 0.32),
)
