"""Clips of consecutive frames, drawn from several data sets as if they were one."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wm_planner.config import Config
from wm_planner.contracts.card import ActionSpec, Quantity
from wm_planner.data.episodes import EpisodeData
from wm_planner.errors import ConfigError, DatasetError, did_you_mean

SHARED_FIELDS = (
    "cameras",
    "image_size",
    "state",
    "action_names",
    "action_units",
    "action_low",
    "action_high",
    "control_dt_s",
)


class DataSpec(Config, frozen=True, kw_only=True):
    """What a network must know of its data.

    Attributes:
        height, width: of a camera picture, in pixels.
        state: quantities in a row of states, in order.
        state_mean, state_std: of every number of a row, over all frames.
        control_dt_s: time between frames.
    """

    cameras: tuple[str, ...]
    height: int
    width: int
    state: tuple[Quantity, ...]
    state_mean: tuple[float, ...]
    state_std: tuple[float, ...]
    action: ActionSpec
    control_dt_s: float

    def quantity(self, name: str) -> Quantity:
        """The state quantity called `name`.

        Raises:
            ConfigError: naming the quantities that exist.
        """
        known = {quantity.name: quantity for quantity in self.state}
        if name not in known:
            raise ConfigError(f"the data has no state '{name}', {did_you_mean(name, known)}")
        return known[name]

    def columns(self, names: Sequence[str]) -> list[int]:
        """The columns of a row of states that hold the quantities `names`, in that order."""
        ends = np.cumsum([quantity.size for quantity in self.state]).tolist()
        start = {quantity.name: end - quantity.size for quantity, end in zip(self.state, ends, strict=True)}
        return [start[name] + i for name in names for i in range(self.quantity(name).size)]

    def statistics(self, name: str) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of the quantity `name`, in its unit."""
        self.quantity(name)
        columns = self.columns([name])
        return [self.state_mean[i] for i in columns], [self.state_std[i] for i in columns]


class Clips:
    """Every clip of `frames` frames within one episode, of all `datasets`.

    Raises:
        DatasetError: if the data sets differ in cameras, state, action or rate, or are too short.
    """

    def __init__(self, datasets: Sequence[EpisodeData], frames: int) -> None:
        self.datasets = tuple(datasets)
        self.frames = frames
        self.spec = _common_spec(self.datasets)
        starts = [data.clip_starts(frames) for data in self.datasets]
        self.sources = np.repeat(np.arange(len(starts)), [len(s) for s in starts])
        self.starts = np.concatenate(starts)
        if not len(self.starts):
            raise DatasetError(
                f"no episode has {frames} frames; collect longer episodes or train on shorter clips"
            )

    def __len__(self) -> int:
        return len(self.starts)

    def draw(
        self, count: int, state: Sequence[str], rng: np.random.Generator, share: slice = slice(None)
    ) -> dict[str, Tensor]:
        """`count` clips drawn at random, with the state quantities named: see `TrainableModel.loss`.

        Args:
            share: which of them to read; the draw is that of all.
        """
        chosen = rng.integers(len(self), size=count)[share]
        rows = [
            (self.datasets[source], slice(start, start + self.frames))
            for source, start in zip(self.sources[chosen], self.starts[chosen], strict=True)
        ]
        columns = self.spec.columns(state)
        return {
            "images": _stack([data.images[row] for data, row in rows]),
            "state": _stack([data.state[row, columns] for data, row in rows]),
            "action": _stack([data.action[row] for data, row in rows]),
        }


def _stack(arrays: list[NDArray[np.generic]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def _common_spec(datasets: Sequence[EpisodeData]) -> DataSpec:
    """The facts that all data sets share, with the statistics of their frames together."""
    if not datasets:
        raise DatasetError("no data set to train on; name at least one folder that `wm collect` wrote")
    first = datasets[0].meta
    for other in datasets[1:]:
        for field in SHARED_FIELDS:
            got, wanted = getattr(other.meta, field), getattr(first, field)
            if got != wanted:
                raise DatasetError(
                    f"{other.path}: {field} is {got}, but {wanted} in {datasets[0].path}; "
                    "data sets that are trained on together must agree"
                )
    state = np.concatenate([data.state for data in datasets]).astype(np.float64)
    return DataSpec(
        cameras=first.cameras,
        height=first.image_size[0],
        width=first.image_size[1],
        state=first.state,
        state_mean=tuple(state.mean(axis=0).tolist()),
        state_std=tuple(np.maximum(state.std(axis=0), 1e-6).tolist()),
        action=ActionSpec(
            names=first.action_names,
            units=first.action_units,
            low=first.action_low,
            high=first.action_high,
        ),
        control_dt_s=first.control_dt_s,
    )
