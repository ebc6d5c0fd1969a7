"""Data sets of episodes: a folder with `meta.yaml` and one memory-mapped `.npy` file per array.

images.npy   (n, cameras, H, W, 3) uint8, RGB
state.npy    (n, S) float32, the quantities of meta.state concatenated
action.npy   (n, A) float32, the action executed at the frame, in physical units; zeros in the last frame of
             an episode, after which no action was executed
episode.npy  (n,) int64, index of the episode; the frames of an episode are consecutive
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from wm_planner.config import convert, read_yaml, to_builtins
from wm_planner.contracts.card import Quantity
from wm_planner.contracts.dataset import Episode, Meta
from wm_planner.data.folders import fresh_folder
from wm_planner.errors import ConfigError, DatasetError, did_you_mean

META_FILE = "meta.yaml"


@dataclass(frozen=True, slots=True)
class EpisodeData:
    """A data set opened for reading; arrays are memory-mapped and read on access.

    Attributes:
        path: of the folder.
        meta: contents of meta.yaml.
        images, state, action, episode: the arrays of the module's docstring.
    """

    path: Path
    meta: Meta
    images: NDArray[np.uint8]
    state: NDArray[np.float32]
    action: NDArray[np.float32]
    episode: NDArray[np.int64]

    @classmethod
    def open(cls, path: Path | str) -> "EpisodeData":
        """Open the data set in folder `path`.

        Raises:
            DatasetError: naming the file that is missing or disagrees with meta.yaml.
        """
        folder = Path(path)
        if not (folder / META_FILE).is_file():
            raise DatasetError(f"{folder} is not a data set (no {META_FILE}); make one with `wm collect`")
        try:
            meta = convert(read_yaml(folder / META_FILE), Meta, str(folder / META_FILE))
        except ConfigError as error:
            raise DatasetError(str(error)) from None
        arrays = {}
        for name, (shape, dtype) in meta.shapes.items():
            file = folder / f"{name}.npy"
            try:
                arrays[name] = np.load(file, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise DatasetError(f"{file}: cannot be read ({error}); collect the data set again") from None
            found = arrays[name]
            if found.shape != shape or found.dtype != dtype:
                raise DatasetError(
                    f"{file}: got {found.dtype} {found.shape}, {META_FILE} says {dtype} {shape}; "
                    "the data set is corrupt, collect it again"
                )
        return cls(path=folder, meta=meta, **arrays)

    def clip_starts(self, length: int) -> NDArray[np.int64]:
        """Indices of the frames at which a clip of `length` frames within one episode starts."""
        last = len(self.episode) - length
        starts = np.arange(max(last + 1, 0))
        within: NDArray[np.int64] = starts[self.episode[starts] == self.episode[starts + length - 1]]
        return within

    def quantity(self, name: str) -> NDArray[np.float32]:
        """The values (n, k) of one state quantity.

        Raises:
            DatasetError: naming the quantities that exist.
        """
        start = 0
        for quantity in self.meta.state:
            if quantity.name == name:
                return self.state[:, start : start + quantity.size]
            start += quantity.size
        known = [quantity.name for quantity in self.meta.state]
        raise DatasetError(f"{self.path} has no state '{name}', {did_you_mean(name, known)}")


class EpisodeWriter:
    """Context manager that writes a data set; the folder appears only on success.

    Args:
        path: of the folder, which must not exist.
        meta: `finish` sets its `seeds_tried` and `rejected`.
    """

    def __init__(self, path: Path, meta: Meta) -> None:
        self._path, self._meta, self._rows = path, meta, 0

    def __enter__(self) -> "EpisodeWriter":
        """Create the arrays in a temporary folder.

        Raises:
            DatasetError: if the folder exists, or cannot be written.
        """
        with ExitStack() as stack:
            self._folder = stack.enter_context(fresh_folder(self._path))
            self._arrays = {
                name: np.lib.format.open_memmap(self._folder / f"{name}.npy", "w+", dtype, shape)
                for name, (shape, dtype) in self._meta.shapes.items()
            }
            self._stack = stack.pop_all()
        return self

    def add(self, episode: Episode) -> None:
        """Append an episode of `meta.steps` + 1 frames."""
        rows = slice(self._rows, self._rows + self._meta.steps + 1)
        self._arrays["images"][rows] = episode.images
        self._arrays["state"][rows] = episode.state
        self._arrays["action"][rows] = episode.action
        self._arrays["episode"][rows] = self._rows // (self._meta.steps + 1)
        self._rows = rows.stop

    def finish(self, seeds_tried: int, rejected: dict[str, int]) -> Meta:
        """Complete the data set: record how many seeds were tried and rejected, and flush the arrays."""
        meta = msgspec.structs.replace(self._meta, seeds_tried=seeds_tried, rejected=rejected)
        for array in self._arrays.values():
            array.flush()
        text = yaml.safe_dump(to_builtins(meta), sort_keys=False)
        (self._folder / META_FILE).write_text(text, encoding="utf-8")
        return meta

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def state_row(state: Mapping[str, NDArray[Any]], quantities: Iterable[Quantity]) -> NDArray[np.float32]:
    """A row of the state array, (S,): the values of `quantities` concatenated."""
    return np.concatenate([state[quantity.name] for quantity in quantities]).astype(np.float32)
