"""The contract of a data set of episodes."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.config import Config

COLLECTION_SEEDS = 1_000_000
"""Episodes to train on are drawn from here up, those to evaluate from 0 up."""


class StateSpec(Config, frozen=True, kw_only=True):
    """A named physical vector in the state array."""

    name: str
    size: int
    unit: str


class Meta(Config, frozen=True, kw_only=True):
    """What a data set holds and where it came from.

    Attributes:
        scene: path of the scene file.
        revision: of the source that collected it.
        first_seed: of the seeds that were tried one after the other.
        seeds_tried: how many it took.
        rejected: reason to number of episodes left out.
        image_size: (height, width) in pixels.
        steps: transitions an episode; an episode has one frame more.
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
    state: tuple[StateSpec, ...]
    action_names: tuple[str, ...]
    action_units: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    control_dt_s: float

    def command(self, out: str) -> str:
        """The command line that collects this into folder `out`."""
        seed = self.first_seed - COLLECTION_SEEDS
        start = f" --seed {seed}" if seed else ""
        return f"wm collect {self.scene} --out {out} --episodes {self.episodes} --steps {self.steps}{start}"

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Array name to its shape and dtype."""
        n = self.episodes * (self.steps + 1)
        return {
            "images": ((n, len(self.cameras), *self.image_size, 3), "uint8"),
            "state": ((n, sum(spec.size for spec in self.state)), "float32"),
            "action": ((n, len(self.action_names)), "float32"),
            "episode": ((n,), "int64"),
        }


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode in memory: T frames, the arrays of the module's docstring without the index."""

    images: NDArray[np.uint8]
    state: NDArray[np.float32]
    action: NDArray[np.float32]


def columns(state: dict[str, NDArray[np.float64]], specs: Iterable[StateSpec]) -> NDArray[np.float32]:
    """The quantities of `specs` side by side, (S,)."""
    return np.concatenate([state[spec.name] for spec in specs]).astype(np.float32)
