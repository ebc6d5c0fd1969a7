"""What a network knows of its data: cameras, states with their statistics, actions, signals."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from wm_planner.config import Config
from wm_planner.contracts.card import ActionSpec, ObservationSpec
from wm_planner.contracts.dataset import Dataset, Meta, Signal
from wm_planner.contracts.quantity import Quantity, problem_in
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


def common_spec(datasets: Sequence[Dataset], stride: int) -> DataSpec:
    """The common specification of the data sets, with the statistics of all their frames.

    Args:
        datasets: of one training.
        stride: time steps between two frames of a clip; see `training.clips.Clips`.

    Raises:
        DatasetError: for an empty sequence, for data sets that differ in a field of `SHARED_FIELDS`, and for
            discrete actions that would be joined to blocks.
    """
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
