"""The robot of a MuJoCo scene: its control, the actuators that carry it out, and its motors."""

import contextlib

import mujoco

from wm_planner.control.motors import Motors
from wm_planner.errors import SimulationError
from wm_planner.simulation.scene import Scene
from wm_planner.world_models.physics.drives import JointDrives
from wm_planner.world_models.physics.plant import Control, substeps


def motors_of(model: mujoco.MjModel) -> Motors | None:
    """The motors of a model; None for servos, and for a mixture, which takes controls alone."""
    with contextlib.suppress(SimulationError):
        return Motors.if_any(model)
    return None


def robot_of(scene: Scene, model: mujoco.MjModel) -> tuple[Control, JointDrives]:
    """The control of a scene's robot, and its drives.

    Raises:
        ConfigError: if the control period is no whole number of time steps.
        SimulationError: if an element of the robot is missing, or its actuators do not suit the control.
    """
    control = scene.control(model)
    substeps(scene, model.opt.timestep, f"option timestep of {scene.model_file.name}")
    return control, JointDrives.of(model, control.joints, control.kind)
