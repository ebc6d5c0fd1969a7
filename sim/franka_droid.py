"""A Panda arm with a gripper grasps a block and lifts it by 12 cm, seen by one camera as in DROID."""

from pathlib import Path

from wm_planner.manipulation.simulation.droid import DroidLift

SCENE = DroidLift(
    model_file=Path(__file__).with_suffix(".xml"),
    low=(0.42, -0.16, 0.12),
    high=(0.64, 0.16, 0.25),
)
