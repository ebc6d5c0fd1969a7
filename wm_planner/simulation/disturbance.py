"""Disturbances of a scene: deviations from the scene that a world model was trained in."""

from pathlib import Path

import mujoco
import numpy as np

from wm_planner.errors import SimulationError
from wm_planner.simulation.scene import Disturbance


def disturbed_model(file: Path, disturbance: Disturbance) -> mujoco.MjModel:
    """Compile the MJCF `file` with shifted cameras, scaled light and distractors on the table.

    Raises:
        SimulationError: if the file cannot be compiled.
    """
    try:
        spec = mujoco.MjSpec.from_file(str(file))
        rng = np.random.default_rng(disturbance.seed)
        for _ in range(disturbance.distractors):
            _add_distractor(spec, rng)
        model = spec.compile()
    except ValueError as error:
        raise SimulationError(f"{file}: MuJoCo cannot compile it ({error})") from None
    for camera in range(model.ncam):
        model.cam_pos[camera] += disturbance.camera_shift_m * _direction(rng)
        tilt = np.empty(4)
        mujoco.mju_axisAngle2Quat(tilt, _direction(rng), np.radians(disturbance.camera_tilt_deg))
        turned = np.empty(4)
        mujoco.mju_mulQuat(turned, model.cam_quat[camera], tilt)
        model.cam_quat[camera] = turned
    model.light_diffuse *= disturbance.light_scale
    model.vis.headlight.ambient[:] *= disturbance.light_scale
    model.vis.headlight.diffuse[:] *= disturbance.light_scale
    return model


def _add_distractor(spec: mujoco.MjSpec, rng: np.random.Generator) -> None:
    """Add a coloured box or ball, 4 to 7 cm wide, without collisions, to the table."""
    half = rng.uniform(0.02, 0.035)
    spec.worldbody.add_geom(
        type=rng.choice([mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_SPHERE]),
        size=[half, half, half],
        pos=[rng.uniform(0.4, 0.75), rng.uniform(-0.3, 0.3), half],
        rgba=[*rng.uniform(0.2, 1.0, 3), 1.0],
        contype=0,
        conaffinity=0,
    )


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(3)
    unit: np.ndarray = vector / np.linalg.norm(vector)
    return unit
