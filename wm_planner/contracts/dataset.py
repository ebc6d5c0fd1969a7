"""The contents of a data set of episodes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.config import Config
from wm_planner.contracts.card import Quantity

COLLECTION_SEEDS = 1_000_000
"""First seed of training episodes; evaluation episodes count from 0, so the two never overlap."""


class Meta(Config, frozen=True, kw_only=True):
    """What a data set holds and where it came from.

    Attributes:
        scene: path of the scene file.
        revision: git revision of the source that collected it.
        first_seed: of the consecutive seeds that were tried.
        seeds_tried: number of seeds tried to obtain `episodes` episodes.
        rejected: reason to the number of episodes discarded for it.
        episodes: number of episodes.
        steps: transitions per episode; an episode has `steps` + 1 frames.
        cameras: names, in the order of the images' camera axis.
        image_size: (height, width) in pixels.
        state: the quantities in a row of the state array, in order.
        action_names, action_units, action_low, action_high: one entry per action component.
        control_dt_s: time between frames, in seconds.
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

    def command(self, out: str) -> str:
        """The command line that collects this data set into folder `out`."""
        seed = self.first_seed - COLLECTION_SEEDS
        start = f" --seed {seed}" if seed else ""
        return f"wm collect {self.scene} --out {out} --episodes {self.episodes} --steps {self.steps}{start}"

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Array name to its shape and dtype; see `data/episodes.py` for the meaning of the axes."""
        n = self.episodes * (self.steps + 1)
        return {
            "images": ((n, len(self.cameras), *self.image_size, 3), "uint8"),
            "state": ((n, sum(quantity.size for quantity in self.state)), "float32"),
            "action": ((n, len(self.action_names)), "float32"),
            "episode": ((n,), "int64"),
        }


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode of T frames in memory.

    Attributes:
        images: (T, cameras, H, W, 3) uint8, RGB.
        state: (T, S), in the units of `Meta.state`.
        action: (T, A), the action executed at each frame, physical units; zeros in the last frame.
    """

    images: NDArray[np.uint8]
    state: NDArray[np.float32]
    action: NDArray[np.float32]
