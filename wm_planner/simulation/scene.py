"""The contract of a scene file, and its disturbances."""

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
    """Deviations from the scene that a model was trained in; none by default.

    Attributes:
        camera_shift_m: shift of every camera, in a random direction.
        camera_tilt_deg: rotation of every camera, about a random axis.
        light_scale: factor on the intensity of every light.
        distractors: number of coloured, purely visual objects added to the table.
        seed: of the random directions, axes and positions.
    """

    camera_shift_m: float = 0.0
    camera_tilt_deg: float = 0.0
    light_scale: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    distractors: Count = 0
    seed: Seed = 0


class Scene(EnvironmentSpec, Plant, Protocol):
    """What a scene file `sim/<name>.py` declares: a model, its cameras, its robot's control, and a task.

    Attributes:
        point: the one of `points` that the task brings to a goal.
        success_radius: distance up to which the point counts as at its goal, in m.
    """

    @property
    def point(self) -> str: ...
    @property
    def success_radius(self) -> float: ...

    def sample(self, rng: np.random.Generator) -> Task:
        """A random task, for one episode."""
        ...

    def explore(self, rng: np.random.Generator) -> Placement:
        """A random initial configuration for exploration."""
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
