"""Data sets as one NumPy archive per episode: `meta.yaml` and `episodes/000000.npz`, ...

An archive holds `images` (T, cameras, H, W, 3) uint8, `state` (T, S) and `action` (T, A) float32, and an
array (T, ...) per signal. Every tool that reads NumPy reads it, and an episode is one file.
"""

import zipfile
from collections import OrderedDict
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from wm_planner.checksum import sha256
from wm_planner.contracts.dataset import Array, Episode, Meta
from wm_planner.data import npy
from wm_planner.data.episode_writer import checked_arrays
from wm_planner.data.episodes import META_FILE, episode_rows, read_meta
from wm_planner.data.folders import fresh_folder
from wm_planner.errors import DatasetError, did_you_mean

FOLDER = "episodes"
OPEN_FILES = 16


class NpzData:
    """A data set of archives opened for reading; see `contracts.dataset.Dataset`.

    Args:
        path: of the folder.

    Attributes:
        path: of the folder.
        meta: contents of meta.yaml.
        episode: (n,) index of the episode of each frame.

    Raises:
        DatasetError: naming the file that is missing, damaged, or disagrees with meta.yaml.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.meta = read_meta(self.path)
        self._files = sorted((self.path / FOLDER).glob("*.npz"))
        if len(self._files) != self.meta.episodes:
            raise DatasetError(
                f"{self.path}: {len(self._files)} archives in {FOLDER}/, {META_FILE} says "
                f"{self.meta.episodes} episodes: the copy or the writing was interrupted"
            )
        lengths = [self._length(file) for file in self._files]
        self.episode: NDArray[np.int64] = np.repeat(np.arange(len(lengths)), lengths)
        self._open: OrderedDict[tuple[int, str], Array] = OrderedDict()

    @cached_property
    def checksum(self) -> str:
        """sha256 of meta.yaml."""
        return sha256(self.path / META_FILE)

    def read(self, name: str, rows: slice) -> Array:
        """Consecutive frames of an array; see `contracts.dataset.Dataset`."""
        known = self.meta.shapes.keys() - {"episode"}
        if name not in known:
            raise DatasetError(f"{self.path} has no '{name}', {did_you_mean(name, known)}")
        start, stop, _ = rows.indices(len(self.episode))
        shape, dtype = self.meta.shapes[name]
        parts = [np.empty((0, *shape[1:]), dtype)]
        for episode in np.unique(self.episode[start:stop]):
            own = episode_rows(self.episode, int(episode))
            array = self._array(int(episode), name)
            parts.append(array[max(start, own.start) - own.start : min(stop, own.stop) - own.start])
        return np.concatenate(parts) if len(parts) != 2 else parts[1]

    def _length(self, file: Path) -> int:
        """The number of frames in an archive, from the header of its actions."""
        shape = npy.archived_shape(file, "action")
        wanted, _ = self.meta.shapes["action"]
        if len(shape) != 2 or shape[1] != wanted[1] or not 0 <= shape[0] <= wanted[0]:
            raise DatasetError(f"{file}: action has shape {shape}, wanted (T, {wanted[1]})")
        return shape[0]

    def _array(self, episode: int, name: str) -> Array:
        """An array of an episode; the most recently used ones stay in memory."""
        key = (episode, name)
        if key not in self._open:
            self._open[key] = self._read(episode, name)
        self._open.move_to_end(key)
        while len(self._open) > OPEN_FILES:
            self._open.popitem(last=False)
        return self._open[key]

    def _read(self, episode: int, name: str) -> Array:
        shape, dtype = self.meta.shapes[name]
        frames = int((self.episode == episode).sum())
        return npy.archived(self._files[episode], name, (frames, *shape[1:]), dtype)


class NpzWriter:
    """Context manager that writes a data set of archives; the folder appears only on success.

    Args:
        path: of the folder, which must not exist.
        meta: `finish` sets its numbers of episodes and frames.
    """

    def __init__(self, path: Path, meta: Meta) -> None:
        self._path, self._meta = path, meta
        self._lengths: list[int] = []

    def __enter__(self) -> Self:
        """Create the temporary folder.

        Raises:
            DatasetError: if the folder exists, or cannot be written.
        """
        with ExitStack() as stack:
            self._folder = stack.enter_context(fresh_folder(self._path))
            (self._folder / FOLDER).mkdir()
            self._stack = stack.pop_all()
        return self

    def add(self, episode: Episode) -> None:
        """Append an episode.

        Raises:
            DatasetError: as `checked_arrays`.
        """
        index = len(self._lengths)
        arrays = checked_arrays(episode, self._meta, self._path, index)
        with zipfile.ZipFile(self._folder / FOLDER / f"{index:06}.npz", "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)
        self._lengths.append(len(episode.action))

    def finish(self, seeds_tried: int, rejected: dict[str, int]) -> Meta:
        """Complete the data set.

        Raises:
            DatasetError: if it has no episode.
        """
        meta = self._meta.counted(self._lengths, seeds_tried, rejected)
        text = yaml.safe_dump(msgspec.to_builtins(meta.builtins()), sort_keys=False)
        (self._folder / META_FILE).write_text(text, encoding="utf-8")
        return meta

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
