"""Off-screen rendering of camera images with MuJoCo.

The GL context is created here instead of by `mujoco.Renderer`, whose back end is fixed by an environment
variable when mujoco is first imported.
"""

import os
import sys
import weakref
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import SimulationError, did_you_mean
from wm_planner.world_models.physics.divergence import without_warnings

GEOMS = 1000  # that can be drawn before the visual scene is enlarged
PACKAGES = "libegl1 libgl1 libgles2"
_COSTLY = (
    mujoco.mjtRndFlag.mjRND_SHADOW,
    mujoco.mjtRndFlag.mjRND_REFLECTION,
    mujoco.mjtRndFlag.mjRND_SKYBOX,
    mujoco.mjtRndFlag.mjRND_HAZE,
)


class Camera:
    """Renders a model through its named cameras.

    Args:
        model: the scene.
        height, width: of an image, in pixels.

    Raises:
        SimulationError: if this machine cannot render, naming the packages to install.
    """

    def __init__(self, model: mujoco.MjModel, height: int, width: int) -> None:
        self._model = model
        self._ids = {model.camera(i).name: i for i in range(model.ncam)}
        _enlarge_buffer(model, height, width)
        try:
            self._gl = _gl_context(width, height)
            self._gl.make_current()
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        except Exception as error:  # GL back ends have no common exception class
            raise SimulationError(
                f"cannot render camera images of {height} x {width} pixels here "
                f"({type(error).__name__}: {error}); on Debian and Ubuntu: apt-get install {PACKAGES}. "
                "`wm doctor` shows what was found"
            ) from None
        self._release = weakref.finalize(self, _free, self._gl, self._context)
        self._release.atexit = False
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._scene = _visual_scene(model, GEOMS)
        self._options, self._perturbation = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._pixels = np.empty((height, width, 3), np.uint8)

    def picture(self, data: mujoco.MjData, camera: str) -> NDArray[np.uint8]:
        """The image of `camera`, (height, width, 3) uint8, RGB.

        Raises:
            SimulationError: if the model has no such camera.
        """
        if camera not in self._ids:
            raise SimulationError(f"the scene has no camera '{camera}', {did_you_mean(camera, self._ids)}")
        self._view.fixedcamid = self._ids[camera]
        self._update(data)
        while self._scene.status:  # more to draw than it has room for
            self._scene = _visual_scene(self._model, 2 * self._scene.maxgeom)
            self._update(data)
        self._gl.make_current()
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        mujoco.mjr_readPixels(self._pixels, None, self._rectangle, self._context)
        return np.ascontiguousarray(self._pixels[::-1])  # GL counts rows from the bottom

    def _update(self, data: mujoco.MjData) -> None:
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        with without_warnings():
            mujoco.mjv_updateScene(
                self._model, data, self._options, self._perturbation, self._view, everything, self._scene
            )

    def close(self) -> None:
        """Release the GL context."""
        self._release()


def _free(gl: Any, context: Any) -> None:
    """Free a context in its own GL context: in that of another camera, it would free that one's buffers."""
    gl.make_current()
    context.free()
    gl.free()


def _enlarge_buffer(model: mujoco.MjModel, height: int, width: int) -> None:
    """Let images fit into the off-screen buffer, which has 640 x 480 pixels unless the MJCF says otherwise.

    Outside of the buffer, MuJoCo returns uninitialised memory.
    """
    size = model.vis.global_
    size.offwidth, size.offheight = max(size.offwidth, width), max(size.offheight, height)


def _visual_scene(model: mujoco.MjModel, maxgeom: int) -> mujoco.MjvScene:
    scene = mujoco.MjvScene(model, maxgeom=maxgeom)
    for flag in _COSTLY:
        scene.flags[flag] = 0
    return scene


def _gl_context(width: int, height: int) -> Any:
    """EGL on Linux, which needs no display; elsewhere, or if MUJOCO_GL names another one, MuJoCo's choice."""
    if sys.platform == "linux" and os.environ.get("MUJOCO_GL", "egl") == "egl":
        from mujoco.egl import GLContext
    else:
        from mujoco.gl_context import GLContext
    return GLContext(width, height)
