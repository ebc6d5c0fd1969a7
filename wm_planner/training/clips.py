"""Clips of consecutive frames, sampled from several data sets as if they were one."""

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
    """What a network needs to know about its data.

    Attributes:
        cameras: names, in the order of the images' camera axis.
        height, width: of a camera image, in pixels.
        state: the quantities in a row of states, in order.
        state_mean, state_std: of every component of a row, over all frames.
        action: names, units and bounds of one action.
        control_dt_s: time between frames, in seconds.
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
        """Indices of the quantities `names` in a row of states, in that order."""
        ends = np.cumsum([quantity.size for quantity in self.state]).tolist()
        start = {quantity.name: end - quantity.size for quantity, end in zip(self.state, ends, strict=True)}
        return [start[name] + i for name in names for i in range(self.quantity(name).size)]

    def statistics(self, name: str) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of the quantity `name`, in its unit."""
        self.quantity(name)
        columns = self.columns([name])
        return [self.state_mean[i] for i in columns], [self.state_std[i] for i in columns]


class Clips:
    """All clips of `frames` frames within one episode, from all `datasets`.

    Raises:
        DatasetError: if the data sets differ in cameras, state, action or rate, or their episodes are too
            short.
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
        """Random clips as a batch for `Trainable.loss`.

        Args:
            count: number of clips to sample.
            state: names of the state quantities to include.
            rng: source of randomness.
            share: the part of the sampled clips that is read, in a distributed training.
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
    """The common specification of the data sets, with the statistics of all their frames."""
    if not datasets:
        raise DatasetError("no data sets, wanted at least one folder that `wm collect` wrote")
    first = datasets[0].meta
    for other in datasets[1:]:
        for field in SHARED_FIELDS:
            got, wanted = getattr(other.meta, field), getattr(first, field)
            if got != wanted:
                raise DatasetError(
                    f"{other.path}: {field} is {got}, but {wanted} in {datasets[0].path}; "
                    "data sets of the same training must agree"
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
