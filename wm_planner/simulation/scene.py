"""The contract of a simulator, and of the scene that it hosts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner.config import Config, Count, Seed
from wm_planner.errors import SimulationError
from wm_planner.plugins import load_file
from wm_planner.share import find
from wm_planner.world_models.base import Observation
from wm_planner.world_models.onnx.card_file import ActionSpec
from wm_planner.world_models.physics.plant import Plant

SCENE_SUFFIX = ".py"
"""Of files that declare a scene; any other file is a traffic scenario."""


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


class Hosted(Protocol):
    """What a simulator tells of the scene or scenario that it hosts.

    Attributes:
        cameras: names of the pictures in an observation.
        image_size: (height, width) of each, pixels.
        control_dt_s: time between two commands.
        action: one action, with its bounds.
    """

    @property
    def name(self) -> str: ...
    @property
    def cameras(self) -> tuple[str, ...]: ...
    @property
    def image_size(self) -> tuple[int, int]: ...
    @property
    def control_dt_s(self) -> float: ...
    @property
    def action(self) -> ActionSpec: ...


@dataclass(frozen=True, slots=True)
class Placement:
    """Where everything stands, at rest.

    Attributes:
        tcp: where the robot holds its tool point, (3,) m; None for a robot without one.
        joints: joint name to its positions in MuJoCo's order: a free joint's are x y z in m and a quaternion.
            What is not named stays where the MJCF puts it.
    """

    tcp: NDArray[np.float64] | None = None
    joints: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


class Task(NamedTuple):
    """What an episode asks for: from `start`, bring the scene's point to `position`, (3,) m, as in `goal`."""

    start: Placement
    goal: Placement
    position: NDArray[np.float64]


class Scene(Hosted, Plant, Protocol):
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


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one control step led to.

    Attributes:
        observation: after the step.
        success: whether the goal holds now.
        distance: how far the goal is, in m.
        info: quantities of interest to the one who collects data.
    """

    observation: Observation
    success: bool
    distance: float
    info: Mapping[str, float] = field(default_factory=dict)


class Simulator(Protocol):
    """A world that answers commands; it stands still between two steps."""

    @property
    def scene(self) -> Hosted: ...

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`: the same seed gives the same episode."""
        ...

    @property
    def goal(self) -> Observation:
        """The goal as the sensors would see it: pictures, no state."""
        ...

    @property
    def goal_position(self) -> NDArray[np.float64]:
        """Where the goal truly is, (3,) in m; for scoring, never for planning."""
        ...

    @property
    def distance(self) -> float:
        """How far the goal is now, in m."""
        ...

    @property
    def reached(self) -> bool:
        """Whether the task is done."""
        ...

    def step(self, command: NDArray[np.float64]) -> StepResult:
        """Advance by one control period with `command`, the robot's own command vector."""
        ...

    def command(self, command: NDArray[np.float64], /) -> None:
        """From now on obey `command`: `step` is this, and `advance` by a control period."""
        ...

    def advance(self, seconds: float) -> object:
        """Let time pass under the last command."""
        ...

    def observe(self) -> Observation:
        """What the sensors say now."""
        ...

    def save(self) -> Any:
        """The whole state, to be given to `load`."""
        ...

    def load(self, state: Any) -> None: ...

    def close(self) -> None: ...


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
