"""Sites, bodies and joints of a MuJoCo scene by their names."""

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.errors import SimulationError, did_you_mean


def position_of(model: mujoco.MjModel, data: mujoco.MjData, point: str) -> NDArray[np.float64]:
    """Position of a site or body, (3,) in m, as a view of `data`; a site takes precedence.

    Raises:
        SimulationError: if there is no such element.
    """
    positions = {model.body(i).name: data.xpos[i] for i in range(model.nbody)}
    positions |= {model.site(i).name: data.site_xpos[i] for i in range(model.nsite)}
    if point not in positions:
        raise SimulationError(f"the scene has no site or body '{point}', {did_you_mean(point, positions)}")
    position: NDArray[np.float64] = positions[point]
    return position


def measured(model: mujoco.MjModel, data: mujoco.MjData, name: str, scene: str) -> NDArray[np.float64]:
    """`<name>_position` of a site or body, (3,) in m, or of a joint, or `<joint>_velocity`.

    Args:
        model: the scene.
        data: its state.
        name: of the quantity.
        scene: name of the scene, for the error.

    Raises:
        SimulationError: if there is no such element.
    """
    element, _, kind = name.rpartition("_")
    joints = {model.joint(i).name for i in range(model.njnt)}
    if kind == "velocity" and element in joints:
        return np.array(data.joint(element).qvel)
    placed = {model.body(i).name for i in range(model.nbody)}
    placed |= {model.site(i).name for i in range(model.nsite)}
    if kind == "position" and element in joints - placed:
        return np.array(data.joint(element).qpos)
    if kind == "position" and element in placed:
        return position_of(model, data, element).copy()
    known = [f"{each}_position" for each in joints | placed if each]
    raise SimulationError(f"{scene} has no state '{name}', {did_you_mean(name, known)}")


def place_joint(
    model: mujoco.MjModel, data: mujoco.MjData, name: str, positions: ArrayLike, scene: str
) -> None:
    """Put a joint at generalised positions, in MuJoCo's order.

    Raises:
        SimulationError: if there is no such joint, or it has another number of positions.
    """
    known = [model.joint(i).name for i in range(model.njnt)]
    if name not in known:
        raise SimulationError(f"{scene} has no joint '{name}', {did_you_mean(name, known)}")
    values = data.joint(name).qpos
    if np.shape(positions) != values.shape:
        raise SimulationError(
            f"{scene}: joint '{name}' is placed at {np.asarray(positions).tolist()}, wanted {len(values)} "
            "positions"
        )
    values[:] = positions
