"""A Panda arm with a gripper grasps a 4 cm block on the table and lifts it by 15 cm."""

from pathlib import Path

from wm_planner.manipulation.simulation.pick import Pick

SCENE = Pick(
    model_file=Path(__file__).with_suffix(".xml"),
    low=(0.42, -0.16, 0.12),
    high=(0.64, 0.16, 0.25),
)
