"""Making of a Gymnasium environment, its pictures and its rate."""

import math
import os
import random
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium
import msgspec
import numpy as np
from gymnasium.error import Error
from numpy.typing import NDArray

from wm_planner.config import Config, Positive, Seconds
from wm_planner.errors import SimulationError, describe
from wm_planner.simulation.gym_state import Env


class GymGoal(Config, frozen=True, kw_only=True):
    """A goal to reach, made by the environment itself and shown as a picture, or as a state without cameras.

    Attributes:
        steps: random actions from the start of another episode to the goal.
        state: the state to set instead; empty to take random actions.
        quantity: signal whose value is to be reached.
        radius: Euclidean distance that counts as reached, in its unit.
        is_position: whether that distance is in m.
    """

    steps: Positive = 20
    state: tuple[float, ...] = ()
    quantity: str = "observation"
    radius: float = 0.1
    is_position: bool = False


class GymConfig(Config, frozen=True, kw_only=True):
    """Which environment is simulated.

    Attributes:
        id: as for `gymnasium.make`: `Pendulum-v1`, or `package.module:Name-v0` to import a module first.
        options: further arguments of `gymnasium.make`, such as `max_episode_steps`.
        render: whether to add the camera `render`, with the picture of `render()`.
        size_px: height and width to which all pictures are scaled; None to leave them as they are.
        control_dt_s: time of one step; None for the environment's own `dt`, or 1 over its frame rate.
        names, units: of the components of a Box action; empty for a0, a1, ... without a unit.
        low, high: bounds of a Box action; empty for its own.
        texts: name of an observed text to all the texts that it can be, which makes it a signal: a label.
        goal: a state to reach; None where the task is to collect reward.
    """

    id: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    render: bool = False
    size_px: Positive | None = None
    control_dt_s: Seconds | None = None
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    texts: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    goal: GymGoal | None = None


def make(config: GymConfig) -> Env:
    """The environment.

    Raises:
        SimulationError: if it is unknown, lacks a package, cannot render, or fails when it is made.
    """
    options: dict[str, Any] = {"disable_env_checker": True, **config.options}
    if config.render:
        options["render_mode"] = "rgb_array"
    if sys.platform == "linux" and "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl")  # read by environments that render with MuJoCo
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*render_modes")  # refused below
            env = gymnasium.make(config.id, **options)
    except ModuleNotFoundError as error:
        package = error.name or config.id.partition(":")[0]
        raise SimulationError(
            f"{config.id}: the package '{package}' is not installed: pip install it"
        ) from None
    except Error as error:
        raise SimulationError(f"{config.id}: {error}") from None
    except Exception as error:  # an environment may raise anything when it is made
        raise SimulationError(f"{config.id}: cannot be made: {type(error).__name__}: {error}") from error
    modes = env.metadata.get("render_modes")
    if config.render and modes and "rgb_array" not in modes:
        env.close()
        raise SimulationError(f"{config.id}: it has no pictures: it cannot render in the mode rgb_array")
    if config.render and type(env.unwrapped).render is gymnasium.Env.render:
        env.close()
        raise SimulationError(
            f"{config.id}: it has no pictures: it has no method render(); leave out `render`"
        )
    return env


@contextmanager
def placed_errors(where: str) -> Iterator[None]:
    """Say where an environment's own code fails, whatever it raises.

    Raises:
        SimulationError: with the place before the text.
    """
    try:
        yield
    except SimulationError as error:
        raise SimulationError(f"{where}: {error}") from None
    except Exception as error:  # an environment may raise anything
        raise SimulationError(f"{where}: {describe(error)}") from error


def seed_global_generators(seed: int) -> None:
    """Seed the generators of `numpy.random` and `random`, from which some environments draw."""
    np.random.seed(seed % 2**32)
    random.seed(seed)


def reset_camera(env: Env) -> None:
    """Point the camera of Gymnasium's MuJoCo renderer as it is for a new environment.

    It points at the bodies as they were when the first picture was taken, so that pictures would depend on
    the episodes before.
    """
    renderer = getattr(env.unwrapped, "mujoco_renderer", None)
    for viewer in getattr(renderer, "_viewers", {}).values():
        if hasattr(viewer, "_init_camera"):
            viewer._init_camera()
    if renderer is not None and getattr(renderer, "viewer", None) is not None:
        renderer._set_cam_config()


def period_s(env: Env) -> float:
    """Time of one step, in s."""
    dt = getattr(env.unwrapped, "dt", None)
    if isinstance(dt, int | float) and math.isfinite(dt) and dt > 0:
        return float(dt)
    return 1 / float(env.metadata.get("render_fps") or 10)


def image_size(images: Mapping[str, NDArray[np.uint8]], name: str) -> tuple[int, int]:
    sizes = {camera: picture.shape[:2] for camera, picture in images.items()}
    if len(set(sizes.values())) > 1:
        raise SimulationError(f"{name}: its pictures have different sizes, {sizes}: give `size_px`")
    height, width = next(iter(sizes.values()), (0, 0))
    return height, width


def scaled(picture: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    from PIL import Image  # only scaling needs it

    scaled = Image.fromarray(picture).resize((size_px, size_px), Image.Resampling.BOX)
    return np.asarray(scaled)
