"""Data sets of episodes: a folder with `meta.yaml` and one memory-mapped `.npy` file per array.

images.npy   (n, cameras, H, W, 3) uint8, RGB
state.npy    (n, S) float32, the quantities of meta.state concatenated
action.npy   (n, A) float32, the action executed at the frame, in physical units; zeros in the last frame of
             an episode, after which no action was executed
episode.npy  (n,) int64, index of the episode; the frames of an episode are consecutive
NAME.npy     (n, ...) for each signal of meta.signals, e.g. reward.npy
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.checksum import sha256
from wm_planner.config import convert, read_yaml
from wm_planner.contracts.dataset import Array, Dataset, Meta
from wm_planner.contracts.quantity import Quantity
from wm_planner.data import npy
from wm_planner.errors import ConfigError, DatasetError, did_you_mean

META_FILE = "meta.yaml"


@dataclass(frozen=True, slots=True)
class EpisodeData:
    """A data set opened for reading; arrays are memory-mapped and read on access.

    Attributes:
        path: of the folder.
        meta: contents of meta.yaml.
        images, state, action, episode: the arrays of the module's docstring.
        signals: the arrays of the signals by name.
    """

    path: Path
    meta: Meta
    images: NDArray[np.uint8]
    state: NDArray[np.float32]
    action: NDArray[np.float32]
    episode: NDArray[np.int64]
    signals: Mapping[str, Array]

    @classmethod
    def open(cls, path: Path | str) -> "EpisodeData":
        """Open the data set in folder `path`.

        Raises:
            DatasetError: naming the file that is missing or disagrees with meta.yaml.
        """
        folder = Path(path)
        meta = read_meta(folder)
        arrays = {}
        for name, (shape, dtype) in meta.shapes.items():
            file = folder / f"{name}.npy"
            found = arrays[name] = npy.mapped(file)
            if found.shape != shape or found.dtype != dtype:
                raise DatasetError(
                    f"{file}: got {found.dtype} {found.shape}, {META_FILE} says {dtype} {shape}; "
                    "the data set is corrupt, collect it again"
                )
        signals = {signal.name: arrays.pop(signal.name) for signal in meta.signals}
        return cls(path=folder, meta=meta, signals=signals, **arrays)

    @property
    def checksum(self) -> str:
        """sha256 of meta.yaml."""
        return sha256(self.path / META_FILE)

    def read(self, name: str, rows: slice) -> Array:
        """Consecutive frames of an array; see `contracts.dataset.Dataset`."""
        arrays: dict[str, Array] = {"images": self.images, "state": self.state, "action": self.action}
        arrays |= self.signals
        if name not in arrays:
            raise DatasetError(f"{self.path} has no '{name}', {did_you_mean(name, arrays)}")
        return arrays[name][rows]

    def clip_starts(self, length: int) -> NDArray[np.int64]:
        """Indices of the frames at which a clip of `length` frames within one episode starts."""
        return clip_starts(self.episode, length)

    def quantity(self, name: str) -> NDArray[np.float32]:
        """The values (n, k) of one state quantity.

        Raises:
            DatasetError: naming the quantities that exist.
        """
        return quantity_of(self, name)


def read_meta(folder: Path) -> Meta:
    """The contents of a data set's meta.yaml.

    Raises:
        DatasetError: if the file is missing or invalid.
    """
    file = folder / META_FILE
    if not file.is_file():
        part = folder if folder.suffix == ".part" else folder.with_name(folder.name + ".part")
        if part.is_dir():
            raise DatasetError(
                f"{folder} is incomplete: its writing was interrupted (see {part}); repeat the command that "
                f"wrote it. `wm collect` continues where it stopped"
            )
        raise DatasetError(f"{folder} is not a data set (no {META_FILE}); make one with `wm collect`")
    try:
        return convert(read_yaml(file), Meta, str(file))
    except ConfigError as error:
        raise DatasetError(str(error)) from None


def clip_starts(episode: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Indices of the frames at which a clip of `length` frames within one episode starts.

    Args:
        episode: (n,), index of the episode of each frame.
        length: of a clip.
    """
    last = len(episode) - length
    starts = np.arange(max(last + 1, 0))
    within: NDArray[np.int64] = starts[episode[starts] == episode[starts + length - 1]]
    return within


def quantity_of(data: Dataset, name: str, rows: slice = slice(None)) -> NDArray[np.float32]:
    """The values (n, k) of one state quantity in consecutive frames.

    Raises:
        DatasetError: naming the quantities that exist.
    """
    start = 0
    for each in data.meta.state:
        if each.name == name:
            return data.read("state", rows)[:, start : start + each.size].astype(np.float32, copy=False)
        start += each.size
    known = [each.name for each in data.meta.state]
    raise DatasetError(f"{data.path} has no state '{name}', {did_you_mean(name, known)}")


def episode_rows(episode: NDArray[np.int64], index: int) -> slice:
    """The frames of episode `index`, of data whose frames belong to the episodes `episode` (n,)."""
    first, last = np.searchsorted(episode, [index, index + 1])
    return slice(int(first), int(last))


def state_row(state: Mapping[str, NDArray[Any]], quantities: Iterable[Quantity]) -> NDArray[np.float32]:
    """A row of the state array, (S,): the values of `quantities` concatenated."""
    return np.concatenate([state[quantity.name] for quantity in quantities]).astype(np.float32)
