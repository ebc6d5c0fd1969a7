"""Reading of LeRobot data sets, version 3: Parquet tables and videos, without lerobot and torch."""

import hashlib
import itertools
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wm_planner.config import convert, read_yaml
from wm_planner.contracts.dataset import Array, Meta, Signal
from wm_planner.data.episodes import episode_rows
from wm_planner.data.lerobot.info import (
    EPISODES_FOLDER,
    INFO_FILE,
    OWN_FILE,
    STATE,
    cameras_of,
    foreign_meta,
    lerobot_name,
    read_info,
    signal_features,
    state_features,
)
from wm_planner.data.lerobot.video import VideoReader, decoded
from wm_planner.errors import ConfigError, DatasetError, did_you_mean

OPEN_VIDEOS = 16


class LeRobotData:
    """A LeRobot data set opened for reading; see `contracts.dataset.Dataset`.

    Its tables are in memory; videos are decoded on access, which is fast for consecutive frames. A data set
    that `wm convert` wrote has the same `meta` as its source; for others, units are unknown, the bounds of
    actions are their range in the data, and all vectors `observation.*` make up the state.

    Attributes:
        path: of the folder.
        meta: what it holds.
        episode: (n,) index of the episode of each frame.

    Args:
        path: of the folder.

    Raises:
        DatasetError: naming the file that is missing, damaged, or disagrees with info.json.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._info = read_info(self.path)
        episodes = _table(sorted((self.path / EPISODES_FOLDER).rglob("*.parquet")), self.path)
        self._episodes: dict[str, list[Any]] = episodes.sort_by("episode_index").to_pydict()
        self._rows = self._read_rows()
        self.episode: NDArray[np.int64] = _array(self._rows["episode_index"], (), self.path)
        self.meta = self._read_meta()
        self._check()
        self._cameras = list(cameras_of(self._info))
        self._videos: OrderedDict[Path, VideoReader] = OrderedDict()

    @cached_property
    def checksum(self) -> str:
        """sha256 of the files in meta/."""
        digest = hashlib.sha256()
        for file in sorted(file for file in (self.path / "meta").rglob("*") if file.is_file()):
            digest.update(file.relative_to(self.path).as_posix().encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()

    def read(self, name: str, rows: slice) -> Array:
        """Consecutive frames of an array; see `contracts.dataset.Dataset`."""
        if name == "images":
            return self._images(*rows.indices(len(self.episode))[:2])
        known = {"state", "action", *(signal.name for signal in self.meta.signals)}
        if name not in known:
            raise DatasetError(f"{self.path} has no '{name}', {did_you_mean(name, known)}")
        return self._columns[name][rows]

    @cached_property
    def _columns(self) -> dict[str, Array]:
        """State, action and signals by name."""
        n = len(self.episode)
        columns: dict[str, Array] = {}
        states = [_array(self._rows[name], each.shape, self.path) for name, each in self._states.items()]
        width = sum(quantity.size for quantity in self.meta.state)
        empty = np.zeros((n, 0), np.float32)
        columns["state"] = np.concatenate([empty, *states], axis=1).reshape(n, width).astype(np.float32)
        size = len(self.meta.action_names)
        columns["action"] = _array(self._rows["action"], (size,), self.path).astype(np.float32)
        for signal, name in self._signals:
            columns[signal.name] = _array(self._rows[name], signal.shape, self.path).astype(signal.dtype)
        return columns

    @property
    def _states(self) -> dict[str, Any]:
        features = state_features(self._info)
        if self._is_own:
            return {STATE: features[STATE]} if self.meta.state else {}
        return features

    @property
    def _signals(self) -> list[tuple[Signal, str]]:
        if self._is_own:
            return [(signal, lerobot_name(signal)) for signal in self.meta.signals]
        return signal_features(self._info)

    @property
    def _is_own(self) -> bool:
        return (self.path / OWN_FILE).is_file()

    def _read_meta(self) -> Meta:
        if self._is_own:
            try:
                return convert(read_yaml(self.path / OWN_FILE), Meta, str(self.path / OWN_FILE))
            except ConfigError as error:
                raise DatasetError(str(error)) from None
        action = _array(self._rows["action"], self._info.features["action"].shape, self.path)
        ends = action.min(axis=0).tolist(), action.max(axis=0).tolist()
        longest = int(np.bincount(self.episode).max())
        return msgspec.structs.replace(foreign_meta(self.path, self._info, ends), steps=longest - 1)

    def _read_rows(self) -> pa.Table:
        """The rows of all frames in order, without pictures."""
        info = self._info
        chunks, numbers = (self._column(f"data/{each}_index") for each in ("chunk", "file"))
        places = sorted(set(zip(chunks, numbers, strict=True)))
        files = [self.path / info.data_path.format(chunk_index=c, file_index=f) for c, f in places]
        pictures = [name for name, each in info.features.items() if each.dtype == "video"]
        return _table(files, self.path, without=pictures).sort_by("index")

    def _column(self, name: str) -> list[Any]:
        if name not in self._episodes:
            raise DatasetError(f"{self.path / EPISODES_FOLDER}: there is no column '{name}'")
        return self._episodes[name]

    def _check(self) -> None:
        """Check that the tables and info.json agree, and that every video file exists."""
        n, lengths = len(self.episode), self._column("length")
        if not n == sum(lengths) == self._info.total_frames or len(lengths) != self._info.total_episodes:
            raise DatasetError(
                f"{self.path}: {n} rows in data/, {sum(lengths)} frames of {len(lengths)} episodes in "
                f"{EPISODES_FOLDER}, {self._info.total_frames} of {self._info.total_episodes} in "
                f"{INFO_FILE}: its writing was interrupted, or files are missing"
            )
        for place in itertools.chain.from_iterable(self._places.values()):
            if not place.file.is_file():
                raise DatasetError(f"{place.file} is missing: the copy or the writing was interrupted")

    @cached_property
    def _places(self) -> dict[str, list["_Place"]]:
        """Where the pictures of each episode are, by the key of the camera; without those in tables."""
        keys = [name for name, each in cameras_of(self._info).items() if each.dtype == "video"]
        return {key: [self._place(key, i) for i in range(self._info.total_episodes)] for key in keys}

    def _place(self, key: str, index: int) -> "_Place":
        row = {end: self._column(f"videos/{key}/{end}")[index] for end in ("chunk_index", "file_index")}
        start = self._column(f"videos/{key}/from_timestamp")[index]
        pattern = self._info.video_path or ""
        return _Place(self.path / pattern.format(video_key=key, **row), round(start * self._info.fps))

    def _images(self, start: int, stop: int) -> Array:
        """Pictures (n, cameras, H, W, 3) of the frames `start` to `stop` - 1."""
        images = np.empty((max(stop - start, 0), len(self._cameras), *self.meta.image_size, 3), np.uint8)
        for camera, key in enumerate(self._cameras):
            if key not in self._places:
                for i, cell in enumerate(self._rows[key].slice(start, stop - start)):
                    images[i, camera] = decoded(cell.as_py()["bytes"], str(self.path))
                continue
            for episode in np.unique(self.episode[start:stop]):
                rows = episode_rows(self.episode, int(episode))
                first, last = max(start, rows.start), min(stop, rows.stop)
                place = self._places[key][int(episode)]
                read = self._video(place.file).read(place.first + first - rows.start, last - first)
                if read.shape[1:] != images.shape[2:]:
                    raise DatasetError(
                        f"{place.file}: frames of {read.shape[1]} x {read.shape[2]} pixels, {INFO_FILE} says "
                        f"{images.shape[2]} x {images.shape[3]}"
                    )
                images[first - start : last - start, camera] = read
        return images

    def _video(self, file: Path) -> VideoReader:
        """The reader of a file; the most recently used ones stay open."""
        if file not in self._videos:
            self._videos[file] = VideoReader(file, round(self._info.fps))
        self._videos.move_to_end(file)
        while len(self._videos) > OPEN_VIDEOS:
            self._videos.popitem(last=False)[1].close()
        return self._videos[file]


class _Place(NamedTuple):
    """A video file, and the number of an episode's first frame in it."""

    file: Path
    first: int


def _table(files: list[Path], folder: Path, without: list[str] | None = None) -> pa.Table:
    """The rows of several Parquet files."""
    if not files:
        raise DatasetError(f"{folder}: there is no table of episodes in {EPISODES_FOLDER}")
    tables = []
    for file in files:
        try:
            schema = pq.read_schema(file)
            columns = [name for name in schema.names if not name.startswith("stats/")]
            table = pq.read_table(file, columns=[name for name in columns if name not in (without or ())])
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{file}: cannot be read ({error})") from None
        tables.append(table.replace_schema_metadata(None))
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DatasetError(f"{folder}: its tables do not agree ({error})") from None


def _array(column: pa.ChunkedArray, shape: tuple[int, ...], folder: Path) -> NDArray[Any]:
    """A column of numbers, or of vectors, as an array (n, *shape)."""
    joined = column.combine_chunks()
    values = joined.flatten() if pa.types.is_nested(joined.type) else joined
    array = np.asarray(values.to_numpy(zero_copy_only=False))
    if array.size != len(column) * int(np.prod(shape)):
        raise DatasetError(
            f"{folder}: a column has {array.size / max(len(column), 1):g} numbers per row, "
            f"{INFO_FILE} says {shape}"
        )
    return array.reshape(len(column), *shape)
