"""Clips of consecutive frames, sampled from several data sets as if they were one."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from msgspec.structs import replace
from numpy.typing import NDArray
from torch import Tensor

from wm_planner.config import Config
from wm_planner.contracts.card import ActionSpec, ObservationSpec, Quantity
from wm_planner.contracts.dataset import REWARD, TERMINATED, TRUNCATED, Array, Dataset, Meta, Signal
from wm_planner.contracts.observation import problem_in
from wm_planner.data.episodes import clip_starts
from wm_planner.errors import ConfigError, DatasetError, did_you_mean

SHARED_FIELDS = (
    "cameras",
    "image_size",
    "state",
    "action_names",
    "action_units",
    "action_low",
    "action_high",
    "action_choices",
    "action_absolute",
    "control_dt_s",
)
"""Fields of `Meta` in which the data sets of one training must agree."""


class DataSpec(Config, frozen=True, kw_only=True):
    """What a network needs to know about its data.

    Attributes:
        cameras: names, in the order of the images' camera axis.
        height, width: of a camera image, in pixels.
        state: the quantities in a row of states, in order.
        state_mean, state_std: of every component of a row, over all frames.
        action: names, units and bounds of one action, which leads from a frame of a clip to the next one.
        control_dt_s: time between the frames of a clip, in seconds.
        signals: the signals that all data sets have.
    """

    cameras: tuple[str, ...]
    height: int
    width: int
    state: tuple[Quantity, ...]
    state_mean: tuple[float, ...]
    state_std: tuple[float, ...]
    action: ActionSpec
    control_dt_s: float
    signals: tuple[Signal, ...] = ()

    def quantity(self, name: str) -> Quantity:
        """The state quantity called `name`.

        Raises:
            ConfigError: naming the quantities that exist.
        """
        known = {quantity.name: quantity for quantity in self.state}
        if name not in known:
            raise ConfigError(f"the data has no state '{name}', {did_you_mean(name, known)}")
        return known[name]

    def camera_count(self) -> int:
        """The number of cameras, for a model that cannot do without.

        Raises:
            ConfigError: if it has no camera.
        """
        if not self.cameras:
            raise ConfigError(
                "the data has no pictures, which this model learns from: record a camera (of an environment: "
                "gym,id=...,render=true), or train a model of states, such as tdmpc2"
            )
        return len(self.cameras)

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


class Reader(Protocol):
    """What a network takes of the data; see `training.module.Trainable`."""

    observation: ObservationSpec
    reads: tuple[str, ...]


class Clips:
    """All clips of `frames` frames within one episode, from all `datasets`.

    Args:
        datasets: with the same cameras, state, action and rate.
        frames: per clip.
        stride: time steps between two frames of a clip. The action between them is the block of all `stride`
            actions, (stride * A,); rewards are summed.

    Raises:
        DatasetError: if the data sets differ, their episodes are too short, or discrete actions would be
            joined to blocks.
    """

    def __init__(self, datasets: Sequence[Dataset], frames: int, stride: int = 1) -> None:
        self.datasets = tuple(datasets)
        self.frames, self.stride = frames, stride
        self.spec = _common_spec(self.datasets, stride)
        self._rows = (frames - 1) * stride + 1
        starts = [clip_starts(data.episode, self._rows) for data in self.datasets]
        self.sources = np.repeat(np.arange(len(starts)), [len(s) for s in starts])
        self.starts = np.concatenate(starts)
        if not len(self.starts):
            raise DatasetError(
                f"no episode has {self._rows} frames; collect longer episodes or train on shorter clips"
            )

    def __len__(self) -> int:
        return len(self.starts)

    def check(self, model: Reader) -> None:
        """Check that the data have what a network reads.

        Raises:
            DatasetError: naming what they have.
        """
        check_reader(self.spec, model, str(self.datasets[0].path))

    def draw(
        self,
        count: int,
        state: Sequence[str],
        rng: np.random.Generator,
        share: slice = slice(None),
        reads: Sequence[str] = (),
    ) -> dict[str, Tensor]:
        """Random clips as a batch for `Trainable.loss`.

        Args:
            count: number of clips to sample.
            state: names of the state quantities in `state`.
            rng: source of randomness.
            share: the part of the sampled clips that is read, in a distributed training.
            reads: names of signals and state quantities that become arrays of their own.
        """
        chosen = rng.integers(len(self), size=count)[share]
        clips = [
            (self.datasets[source], slice(start, start + self._rows))
            for source, start in zip(self.sources[chosen], self.starts[chosen], strict=True)
        ]
        columns = self.spec.columns(state)
        batch = {
            "images": _stack([data.read("images", rows)[:: self.stride] for data, rows in clips]),
            "state": _stack([data.read("state", rows)[:: self.stride, columns] for data, rows in clips]),
            "action": _stack([self._blocks(data.read("action", rows)) for data, rows in clips]),
        }
        return batch | {name: _stack([self._values(name, *clip) for clip in clips]) for name in reads}

    def draw_for(
        self, model: Reader, count: int, rng: np.random.Generator, share: slice = slice(None)
    ) -> dict[str, Tensor]:
        """Random clips as in `draw`, with what `model` reads."""
        state = [quantity.name for quantity in model.observation.state]
        return self.draw(count, state, rng, share, model.reads)

    def _values(self, name: str, data: Dataset, rows: slice) -> Array:
        """The values (T, ...) of a signal or state quantity in a clip."""
        if any(quantity.name == name for quantity in self.spec.state):
            return data.read("state", rows)[:: self.stride, self.spec.columns([name])]
        values = data.read(name, rows)
        if name == REWARD.name and self.stride > 1:
            return np.asarray(self._blocks(values[:, None]).sum(axis=1))
        if name in (TERMINATED.name, TRUNCATED.name) and self.stride > 1:
            return np.asarray(self._blocks(values[:, None]).any(axis=1))
        return values[:: self.stride]

    def _blocks(self, values: Array) -> Array:
        """One row per frame of a clip: the values (A,) of its `stride` time steps joined.

        The block of the last frame, which leads out of the clip, is zero for a stride above 1.
        """
        if self.stride == 1:
            return values
        blocks = values[:-1].reshape(self.frames - 1, -1)
        return np.concatenate([blocks, np.zeros_like(blocks[:1])])


def check_reader(spec: DataSpec, model: Reader, where: str) -> None:
    """Check that data have what a network reads.

    Args:
        spec: of the data.
        model: the network.
        where: the data come from.

    Raises:
        DatasetError: naming what they have.
    """
    seen = model.observation
    signals = [signal.name for signal in spec.signals] + [each.name for each in spec.state]
    for kind, names, known in (("", model.reads, signals), ("camera ", seen.cameras, spec.cameras)):
        for name in names:
            if name not in known:
                raise DatasetError(
                    f"{where} has no {kind}'{name}', which this model learns from, "
                    f"{did_you_mean(name, known)}"
                )
    if seen.cameras and seen.encoding == "32FC1":
        raise DatasetError(
            f"{where} holds colour pictures, and this model takes depth (observation.encoding: 32FC1), which "
            "data sets do not store as pictures: record depth as a quantity of the state, one value in m per "
            "pixel"
        )


def spec_of_meta(meta: Meta) -> DataSpec:
    """What a network knows of data that are still to be collected: states of mean 0 and deviation 1."""
    size = sum(quantity.size for quantity in meta.state)
    return DataSpec(
        cameras=meta.cameras,
        height=meta.image_size[0],
        width=meta.image_size[1],
        state=meta.state,
        state_mean=(0.0,) * size,
        state_std=(1.0,) * size,
        action=meta.action,
        control_dt_s=meta.control_dt_s,
        signals=meta.signals,
    )


def _stack(arrays: list[Array]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def _common_spec(datasets: Sequence[Dataset], stride: int) -> DataSpec:
    """The common specification of the data sets, with the statistics of all their frames."""
    if not datasets:
        raise DatasetError("no data sets, wanted at least one folder that `wm collect` wrote")
    first = datasets[0].meta
    for other in datasets[1:]:
        for field in SHARED_FIELDS:
            got, wanted = _comparable(other.meta, field), _comparable(first, field)
            if got != wanted:
                raise DatasetError(
                    f"{other.path}: {field} is {got}, but {wanted} in {datasets[0].path}; "
                    "data sets of the same training must agree"
                )
    if stride > 1 and first.action_choices:
        raise DatasetError(f"{datasets[0].path} has discrete actions, which allow only a stride of 1")
    state = np.concatenate([data.read("state", slice(None)) for data in datasets]).astype(np.float64)
    return DataSpec(
        cameras=first.cameras,
        height=first.image_size[0],
        width=first.image_size[1],
        state=_within_bounds(first.state, state),
        state_mean=tuple(state.mean(axis=0).tolist()),
        state_std=tuple(np.maximum(state.std(axis=0), 1e-6).tolist()),
        action=_block(first.action, stride),
        control_dt_s=first.control_dt_s * stride,
        signals=tuple(each for each in first.signals if all(each in d.meta.signals for d in datasets)),
    )


def _comparable(meta: Meta, field: str) -> object:
    """A field of the meta data; states without their bounds, which data sets need not share."""
    if field != "state":
        return getattr(meta, field)
    return tuple(replace(each, low=(), high=()) for each in meta.state)


def _within_bounds(quantities: Sequence[Quantity], state: NDArray[np.float64]) -> tuple[Quantity, ...]:
    """The quantities of state rows (n, S), without bounds that the rows leave; a model keeps to them."""
    starts = np.cumsum([0, *(each.size for each in quantities)])
    kept = []
    for quantity, start in zip(quantities, starts, strict=False):
        columns = state[:, start : start + quantity.size]
        is_kept = not any(problem_in(quantity, row) for row in (columns.min(axis=0), columns.max(axis=0)))
        kept.append(quantity if is_kept else replace(quantity, low=(), high=()))
    return tuple(kept)


def _block(action: ActionSpec, stride: int) -> ActionSpec:
    """The action of `stride` time steps, with components `dx.0`, ..., `dx.1`, ..."""
    if stride == 1:
        return action
    return ActionSpec(
        names=tuple(f"{name}.{step}" for step in range(stride) for name in action.names),
        units=action.units * stride,
        low=action.low * stride,
        high=action.high * stride,
        absolute=action.absolute,
    )
