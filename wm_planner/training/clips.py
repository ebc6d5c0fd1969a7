"""Clips of consecutive frames, sampled from several data sets as if they were one."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wm_planner.contracts.dataset import REWARD, TERMINATED, TRUNCATED, Array, Dataset
from wm_planner.data.episodes import clip_starts
from wm_planner.errors import DatasetError
from wm_planner.training.data_spec import Reader, check_reader, common_spec


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
        self.spec = common_spec(self.datasets, stride)
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


def _stack(arrays: list[Array]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
