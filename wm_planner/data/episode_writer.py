"""Writing of data sets: episodes are appended as they come, and an interrupted writing can be continued."""

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec
import numpy as np
import yaml

from wm_planner.contracts.dataset import Array, Episode, Meta
from wm_planner.data.episodes import META_FILE
from wm_planner.data.folders import atomic_file, fresh_folder
from wm_planner.errors import DatasetError

PROGRESS_FILE = "progress.json"


def checked_arrays(episode: Episode, meta: Meta, path: Path, index: int) -> dict[str, Array]:
    """The arrays of an episode as `meta` describes them.

    Args:
        episode: to be written.
        meta: of the data set.
        path: of the data set, for errors.
        index: of the episode, for errors.

    Raises:
        DatasetError: if an array is missing, has another shape or kind, or a value that is not finite.
    """
    arrays, count = {}, len(episode.action)
    for name, (shape, dtype) in meta.shapes.items():
        if name == "episode":
            continue
        wanted, got = (count, *shape[1:]), episode.arrays.get(name)
        if got is None or got.shape != wanted or not np.can_cast(got.dtype, dtype, "same_kind"):
            found = "nothing" if got is None else f"{got.dtype} {got.shape}"
            raise DatasetError(f"{path}: {name} of episode {index} is {found}, wanted {dtype} {wanted}")
        arrays[name] = np.ascontiguousarray(got, dtype)
        wrong = ~np.isfinite(arrays[name].reshape(count, -1)).all(axis=1) if got.dtype.kind == "f" else []
        if np.any(wrong):
            frame = int(np.argmax(wrong))
            raise DatasetError(
                f"{path}: {name} of episode {index}, frame {frame} is not finite: "
                f"{arrays[name][frame].tolist()}; correct its source, or leave that episode out"
            )
    return arrays


class EpisodeWriter:
    """Context manager that writes a data set; the folder appears only on success.

    Args:
        path: of the folder, which must not exist.
        meta: `finish` sets its `episodes`, `frames`, `seeds_tried` and `rejected`, and raises `steps` to the
            longest episode.
        resumable: whether what was written before the last `save` stays after an exception, next to `path`,
            and is continued by the next writer with the same `meta`.

    Attributes:
        seeds_tried, rejected: of the last `save`.
    """

    def __init__(self, path: Path, meta: Meta, resumable: bool = False) -> None:
        self._path, self._meta, self._resumable = path, meta, resumable
        self._lengths: list[int] = []
        self.seeds_tried = 0
        self.rejected: dict[str, int] = {}

    @property
    def episodes(self) -> int:
        """Number of episodes written."""
        return len(self._lengths)

    def __enter__(self) -> Self:
        """Open the arrays in a temporary folder.

        Raises:
            DatasetError: if the folder exists, cannot be written, or an interrupted writing has other
                settings.
        """
        with ExitStack() as stack:
            kept = PROGRESS_FILE if self._resumable else None
            self._folder = stack.enter_context(fresh_folder(self._path, kept=kept))
            progress = self._folder / PROGRESS_FILE
            if progress.is_file():
                self._continue(json.loads(progress.read_text(encoding="utf-8")))
            rows = sum(self._lengths)
            self._arrays = {
                name: stack.enter_context(_Column(self._folder / f"{name}.npy", shape[1:], dtype, rows))
                for name, (shape, dtype) in self._meta.shapes.items()
            }
            self._stack = stack.pop_all()
        return self

    def add(self, episode: Episode) -> None:
        """Append an episode.

        Raises:
            DatasetError: as `checked_arrays`.
        """
        arrays = checked_arrays(episode, self._meta, self._path, self.episodes)
        count = len(episode.action)
        for name, array in {**arrays, "episode": np.full(count, self.episodes)}.items():
            self._arrays[name].append(array)
        self._lengths.append(count)

    def save(self, seeds_tried: int, rejected: dict[str, int]) -> None:
        """Save the episodes written so far, for a writer that continues after an interruption."""
        self.seeds_tried, self.rejected = seeds_tried, rejected
        for column in self._arrays.values():
            column.flush()
        values = {
            "meta": self._meta.builtins(),
            "lengths": self._lengths,
            "seeds_tried": seeds_tried,
            "rejected": rejected,
        }
        with atomic_file(self._folder / PROGRESS_FILE) as temporary:
            temporary.write_text(json.dumps(values), encoding="utf-8")

    def finish(self, seeds_tried: int, rejected: dict[str, int]) -> Meta:
        """Complete the data set: record how many seeds were tried and rejected, and flush the arrays.

        Raises:
            DatasetError: if it has no episode.
        """
        meta = self._meta.counted(self._lengths, seeds_tried, rejected)
        for column in self._arrays.values():
            column.flush()
        text = yaml.safe_dump(msgspec.to_builtins(meta.builtins()), sort_keys=False)
        (self._folder / META_FILE).write_text(text, encoding="utf-8")
        (self._folder / PROGRESS_FILE).unlink(missing_ok=True)
        return meta

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _continue(self, progress: dict[str, object]) -> None:
        """Take over the state of an interrupted writer."""
        saved = msgspec.convert(progress, _Progress)
        wanted = json.loads(json.dumps(self._meta.builtins()))
        for key in sorted(saved.meta.keys() | wanted.keys()):
            if saved.meta.get(key) != wanted.get(key):
                raise DatasetError(
                    f"{self._folder} was begun with other settings: {key} is {saved.meta.get(key)} there, "
                    f"{wanted.get(key)} now; remove it, or repeat the command that began it"
                )
        self._lengths = saved.lengths
        self.seeds_tried, self.rejected = saved.seeds_tried, saved.rejected


class _Progress(msgspec.Struct):
    """The contents of progress.json."""

    meta: dict[str, object]
    lengths: list[int]
    seeds_tried: int
    rejected: dict[str, int]


class _Column:
    """A `.npy` file that grows; NumPy pads its header so that the number of rows can grow in place."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str, rows: int) -> None:
        self._shape, self._dtype, self._rows = shape, np.dtype(dtype), rows
        self._file: BinaryIO = path.open("r+b" if rows else "w+b")
        self._write_header()
        self._file.flush()
        end = self._file.tell() + rows * int(np.prod(shape)) * self._dtype.itemsize
        if path.stat().st_size < end:
            raise DatasetError(f"{path}: shorter than {PROGRESS_FILE} says; remove {path.parent}")
        self._file.truncate(end)
        self._file.seek(end)

    def append(self, array: Array) -> None:
        self._file.write(np.ascontiguousarray(array, self._dtype).data)
        self._rows += len(array)

    def flush(self) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.seek(0, 2)
        self._file.flush()

    def _write_header(self) -> None:
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._rows, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()
