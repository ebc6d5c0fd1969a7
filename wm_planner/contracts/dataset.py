"""The contract of a data set of episodes, and what describes its contents."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner.config import Config, Count, Positive
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import DatasetError

COLLECTION_SEEDS = 1_000_000
"""First seed of training episodes; evaluation episodes count from 0, so the two never overlap."""

ARRAYS = ("images", "state", "action", "episode")
"""The arrays that every data set has, besides its signals."""

Array = NDArray[np.generic]


class Signal(Config, frozen=True, kw_only=True):
    """A named array with one value per frame, besides images, state and action.

    Attributes:
        name: of the array. `reward`, `terminated` and `truncated` describe the transition from a frame to the
            next one, as `action` does; in the last frame of an episode they are 0 and False.
        shape: of one value.
        unit: of its components.
    """

    name: str
    shape: tuple[Positive, ...] = ()
    dtype: Literal["float32", "float64", "int64", "uint8", "bool"] = "float32"
    unit: str = ""

    def __post_init__(self) -> None:
        if self.name in ARRAYS or not self.name.isidentifier():
            raise ValueError(
                f"a signal is called '{self.name}', wanted letters, digits and underscores, and none of "
                f"{', '.join(ARRAYS)}"
            )


REWARD = Signal(name="reward")
TERMINATED = Signal(name="terminated", dtype="bool")
TRUNCATED = Signal(name="truncated", dtype="bool")
"""What an environment returns next to its observation."""


class Meta(Config, frozen=True, kw_only=True):
    """What a data set holds and where it came from.

    Attributes:
        scene: what was explored, as `wm collect` takes it: a path, or a simulator `name,key=value`.
        revision: git revision of the source that collected it.
        first_seed: of the consecutive seeds that were tried.
        seeds_tried: number of seeds tried to obtain `episodes` episodes.
        rejected: reason to the number of episodes discarded for it.
        episodes: number of episodes.
        steps: transitions per episode, or the limit of it if their lengths differ; an episode of n
            transitions has n + 1 frames.
        cameras: names, in the order of the images' camera axis.
        image_size: (height, width) in pixels.
        state: the quantities in a row of the state array, in order.
        action_names, action_units, action_low, action_high: one entry per action component.
        control_dt_s: time between frames, in seconds.
        action_choices: n for a discrete action, as in `ActionSpec`; 0 for a continuous action.
        action_absolute: whether an action is a set point, as in `ActionSpec`.
        frames: number of frames of all episodes; None if every episode has `steps` + 1.
        signals: further arrays, see `Signal`.
        practice: the command `wm practise ...`, without its folder, if one of its rounds recorded the data
            set; empty for `wm collect`.
    """

    scene: str
    revision: str
    first_seed: int
    seeds_tried: int
    rejected: dict[str, int]
    episodes: int
    steps: int
    cameras: tuple[str, ...]
    image_size: tuple[int, int]
    state: tuple[Quantity, ...]
    action_names: tuple[str, ...]
    action_units: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    control_dt_s: float
    action_choices: Count = 0
    frames: Count | None = None
    signals: tuple[Signal, ...] = ()
    practice: str = ""
    action_absolute: bool = False

    def command(self, out: str) -> str:
        """The command line that collects this data set into folder `out`."""
        if self.practice:
            return f"{self.practice} --out {Path(out).parent}"
        seed = self.first_seed - COLLECTION_SEEDS
        start = f" --seed {seed}" if seed else ""
        scene = shlex.quote(self.scene)
        return f"wm collect {scene} --out {out} --episodes {self.episodes} --steps {self.steps}{start}"

    @property
    def action(self) -> ActionSpec:
        """Names, units and bounds of one action."""
        return ActionSpec(
            names=self.action_names,
            units=self.action_units,
            low=self.action_low,
            high=self.action_high,
            choices=self.action_choices,
            absolute=self.action_absolute,
        )

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Array name to its shape and dtype; see `data/episodes.py` for the meaning of the axes."""
        n = self.episodes * (self.steps + 1) if self.frames is None else self.frames
        rows = {
            "images": ((len(self.cameras), *self.image_size, 3), "uint8"),
            "state": ((sum(quantity.size for quantity in self.state),), "float32"),
            "action": ((len(self.action_names),), "float32"),
            "episode": ((), "int64"),
            **{signal.name: (signal.shape, signal.dtype) for signal in self.signals},
        }
        return {name: ((n, *shape), dtype) for name, (shape, dtype) in rows.items()}

    def counted(self, lengths: Sequence[int], seeds_tried: int, rejected: dict[str, int]) -> "Meta":
        """The meta data of a complete data set.

        Args:
            lengths: number of frames of each episode.
            seeds_tried, rejected: as in the attributes.

        Raises:
            DatasetError: without any episode.
        """
        if not lengths:
            raise DatasetError("there is no episode to write")
        steps = max(self.steps, max(lengths) - 1)
        return msgspec.structs.replace(
            self,
            seeds_tried=seeds_tried,
            rejected=rejected,
            episodes=len(lengths),
            steps=steps,
            frames=None if min(lengths) == steps + 1 else sum(lengths),
        )

    def builtins(self) -> dict[str, object]:
        """The values for meta.yaml, without later fields that have their default."""
        values: dict[str, object] = msgspec.to_builtins(self)
        later = {
            "action_choices": 0,
            "frames": None,
            "signals": (),
            "practice": "",
            "action_absolute": False,
        }
        return {name: value for name, value in values.items() if name not in later or value != later[name]}


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode of T frames in memory.

    Attributes:
        images: (T, cameras, H, W, 3) uint8, RGB.
        state: (T, S), in the units of `Meta.state`.
        action: (T, A), the action executed at each frame, physical units; zeros in the last frame.
        signals: the arrays of `Meta.signals` by name, (T, ...).
    """

    images: NDArray[np.uint8]
    state: NDArray[np.float32]
    action: NDArray[np.float32]
    signals: Mapping[str, Array] = field(default_factory=dict)

    @property
    def arrays(self) -> dict[str, Array]:
        """All arrays by name."""
        return {"images": self.images, "state": self.state, "action": self.action, **self.signals}


class Dataset(Protocol):
    """Episodes in a form that can be read in parts.

    Attributes:
        path: of the folder.
        meta: what it holds.
        checksum: sha256 of the file that describes it, by which a training recognises its data.
        episode: (n,) int64, index of the episode of each frame; the frames of an episode are consecutive.
    """

    @property
    def path(self) -> Path: ...
    @property
    def meta(self) -> Meta: ...
    @property
    def checksum(self) -> str: ...
    @property
    def episode(self) -> NDArray[np.int64]: ...

    def read(self, name: str, rows: slice) -> Array:
        """Consecutive frames of an array: `images`, `state`, `action` or a signal.

        Raises:
            DatasetError: if there is no such array, or its file is damaged.
        """
        ...
