"""The contract of a simulator, and of the scene that it hosts."""

from typing import Annotated, Protocol

import msgspec
import numpy as np

from wm_planner.config import Config, Count, Seed
from wm_planner.contracts.simulator import EnvironmentSpec
from wm_planner.contracts.task import Placement, Task
from wm_planner.errors import SimulationError
from wm_planner.plugins import load_file
from wm_planner.share import find
from wm_planner.world_models.physics.plant import Plant


class Disturbance(Config, frozen=True, kw_only=True):
    """How the world differs from the one that a model was trained in; nothing by default.

    Attributes:
        camera_shift_m: every camera moved by this much, in a direction drawn by the seed.
        camera_tilt_deg: every camera turned by this much, about an axis drawn by the seed.
        light_scale: factor on every light.
        distractors: number of coloured objects laid on the table, for the eye only.
        seed: of the directions, axes and places.
    """

    camera_shift_m: float = 0.0
    camera_tilt_deg: float = 0.0
    light_scale: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    distractors: Count = 0
    seed: Seed = 0


class Scene(EnvironmentSpec, Plant, Protocol):
    """What one `sim/<name>.py` declares: a world, its cameras, its robot's control, and a task in it.

    Attributes:
        point: which of the `points` is to be brought to the goal.
        success_radius: how near counts as there, m.
    """

    @property
    def point(self) -> str: ...
    @property
    def success_radius(self) -> float: ...

    def sample(self, rng: np.random.Generator) -> Task:
        """The task of an episode."""
        ...

    def explore(self, rng: np.random.Generator) -> Placement:
        """Start of an episode that explores."""
        ...


def load_scene(path: str) -> Scene:
    """The scene that a file declares as `SCENE`.

    Raises:
        SimulationError: if the file declares none.
    """
    file = find(path)
    scene: Scene | None = getattr(load_file(file), "SCENE", None)
    if scene is None:
        raise SimulationError(f"{file} declares no SCENE; a scene file ends with `SCENE = MyScene(...)`")
    return scene
