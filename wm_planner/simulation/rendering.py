"""Camera pictures from MuJoCo without a screen."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import SimulationError, did_you_mean

PACKAGES = "libegl1 libgl1 libgles2"
_COSTLY = (
    mujoco.mjtRndFlag.mjRND_SHADOW,
    mujoco.mjtRndFlag.mjRND_REFLECTION,
    mujoco.mjtRndFlag.mjRND_SKYBOX,
    mujoco.mjtRndFlag.mjRND_HAZE,
)


class Camera:
    """Takes pictures of a model's state through its named cameras.

    Args:
        height, width: of a picture, in pixels.

    Raises:
        SimulationError: if this machine cannot draw, naming the packages that would let it.
    """

    def __init__(self, model: mujoco.MjModel, height: int, width: int) -> None:
        self._names = [model.camera(i).name for i in range(model.ncam)]
        try:
            self._renderer = mujoco.Renderer(model, height, width)
        except Exception as error:  # every GL back end raises its own kind
            raise SimulationError(
                f"cannot draw camera pictures here ({type(error).__name__}: {error}); "
                f"on Debian and Ubuntu: apt-get install {PACKAGES}. `wm doctor` shows what was found"
            ) from None

    def picture(self, data: mujoco.MjData, camera: str) -> NDArray[np.uint8]:
        """What `camera` sees, (height, width, 3) uint8 RGB.

        Raises:
            SimulationError: if the model has no such camera.
        """
        if camera not in self._names:
            raise SimulationError(f"the scene has no camera '{camera}', {did_you_mean(camera, self._names)}")
        self._renderer.update_scene(data, camera)
        for flag in _COSTLY:
            self._renderer.scene.flags[flag] = 0
        picture: NDArray[np.uint8] = self._renderer.render()
        return picture

    def close(self) -> None:
        """Give the GL context back."""
        self._renderer.close()

