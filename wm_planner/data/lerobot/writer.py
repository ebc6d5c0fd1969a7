"""Writing of LeRobot data sets, version 3: Parquet tables and lossless videos, without lerobot and torch."""

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from wm_planner.contracts.dataset import Array, Episode, Meta
from wm_planner.data.episode_writer import checked_arrays
from wm_planner.data.folders import fresh_folder
from wm_planner.data.lerobot.info import (
    DATA_PATH,
    EPISODES_FOLDER,
    IMAGES,
    INDEX,
    INFO_FILE,
    OWN_FILE,
    STATE,
    STATS_FILE,
    TASKS_FILE,
    VERSION,
    VIDEO_PATH,
    features_of,
    lerobot_name,
)
from wm_planner.data.lerobot.statistics import Statistics
from wm_planner.data.lerobot.video import VideoWriter
from wm_planner.errors import DatasetError

FILES_PER_CHUNK = 1000
DATA_MB, VIDEO_MB = 100, 200
"""Sizes above which the next episode begins a new file."""


class LeRobotWriter:
    """Context manager that writes a LeRobot data set; the folder appears only on success.

    Args:
        path: of the folder, which must not exist.
        meta: `finish` sets its numbers of episodes and frames.
    """

    def __init__(self, path: Path, meta: Meta) -> None:
        self._path, self._meta = path, meta
        self._fps = _whole_fps(path, meta)
        self._features = features_of(meta, self._fps)
        self._statistics = Statistics()
        self._episodes: list[dict[str, Any]] = []
        self._rows: list[pa.Table] = []
        self._data_file = self._frames = 0
        self._videos: dict[str, VideoWriter] = {}
        self._video_files = dict.fromkeys(meta.cameras, 0)

    def __enter__(self) -> Self:
        """Create the temporary folder.

        Raises:
            DatasetError: if the folder exists, or cannot be written.
        """
        with ExitStack() as stack:
            self._folder = stack.enter_context(fresh_folder(self._path))
            stack.callback(self._close_videos)
            self._stack = stack.pop_all()
        return self

    def add(self, episode: Episode) -> None:
        """Append an episode."""
        index, count = len(self._episodes), len(episode.action)
        checked_arrays(episode, self._meta, self._path, index)
        row: dict[str, Any] = {
            "episode_index": index,
            "tasks": [self._meta.scene],
            "length": count,
            "data/chunk_index": self._data_file // FILES_PER_CHUNK,
            "data/file_index": self._data_file % FILES_PER_CHUNK,
            "dataset_from_index": self._frames,
            "dataset_to_index": self._frames + count,
        }
        for position, camera in enumerate(self._meta.cameras):
            images = episode.images[:, position]
            row |= self._write_video(camera, images)
            self._statistics.add_images(f"{IMAGES}{camera}", images)
        self._rows.append(self._table(episode, index))
        self._episodes.append(row | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0})
        self._frames += count
        if sum(table.nbytes for table in self._rows) > DATA_MB * 1e6:
            self._write_rows()

    def finish(self, seeds_tried: int, rejected: dict[str, int]) -> Meta:
        """Complete the data set.

        Raises:
            DatasetError: if it has no episode.
        """
        lengths = [row["length"] for row in self._episodes]
        meta = self._meta.counted(lengths, seeds_tried, rejected)
        self._write_rows()
        self._close_videos()
        self._write_meta(meta)
        return meta

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _table(self, episode: Episode, index: int) -> pa.Table:
        """The rows of an episode."""
        count, meta = len(episode.action), self._meta
        frames = np.arange(count)
        values: dict[str, Array] = {STATE: episode.state} if meta.state else {}
        values["action"] = episode.action
        values |= {lerobot_name(signal): episode.signals[signal.name] for signal in meta.signals}
        for name, array in values.items():
            self._statistics.add(name, array)
        values |= {
            "timestamp": (frames / self._fps).astype(np.float32),
            "frame_index": frames,
            "episode_index": np.full(count, index),
            "index": self._frames + frames,
            "task_index": np.zeros(count, np.int64),
        }
        for name in INDEX:
            self._statistics.add(name, values[name])
        return pa.table({name: _column(array, self._features[name].dtype) for name, array in values.items()})

    def _write_video(self, camera: str, images: NDArray[np.uint8]) -> dict[str, Any]:
        """Append the pictures of an episode to a camera's video, and say where they are."""
        key, number = f"{IMAGES}{camera}", self._video_files[camera]
        if camera not in self._videos:
            place = {"chunk_index": number // FILES_PER_CHUNK, "file_index": number % FILES_PER_CHUNK}
            file = self._folder / VIDEO_PATH.format(video_key=key, **place)
            self._videos[camera] = VideoWriter(file, self._fps, *self._meta.image_size)
        video = self._videos[camera]
        first = video.frames
        video.write(images)
        if video.path.stat().st_size > VIDEO_MB * 1e6:
            self._videos.pop(camera).close()
            self._video_files[camera] += 1
        return {
            f"videos/{key}/chunk_index": number // FILES_PER_CHUNK,
            f"videos/{key}/file_index": number % FILES_PER_CHUNK,
            f"videos/{key}/from_timestamp": first / self._fps,
            f"videos/{key}/to_timestamp": (first + len(images)) / self._fps,
        }

    def _write_rows(self) -> None:
        if not self._rows:
            return
        number = self._data_file
        place = {"chunk_index": number // FILES_PER_CHUNK, "file_index": number % FILES_PER_CHUNK}
        file = self._folder / DATA_PATH.format(**place)
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables(self._rows), file)
        self._rows, self._data_file = [], number + 1

    def _write_meta(self, meta: Meta) -> None:
        folder = self._folder / EPISODES_FOLDER / "chunk-000"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self._episodes), folder / "file-000.parquet")
        pq.write_table(_tasks(meta.scene), self._folder / TASKS_FILE)
        info = {
            "codebase_version": VERSION,
            "robot_type": None,
            "total_episodes": meta.episodes,
            "total_frames": self._frames,
            "total_tasks": 1,
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": DATA_MB,
            "video_files_size_in_mb": VIDEO_MB,
            "fps": self._fps,
            "splits": {"train": f"0:{meta.episodes}"},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH if meta.cameras else None,
            "features": msgspec.to_builtins({**self._features}),
        }
        for feature in info["features"].values():
            feature.setdefault("names", None)
        (self._folder / INFO_FILE).write_text(json.dumps(info, indent=4), encoding="utf-8")
        (self._folder / STATS_FILE).write_text(json.dumps(self._statistics.values()), encoding="utf-8")
        text = yaml.safe_dump(msgspec.to_builtins(meta.builtins()), sort_keys=False)
        (self._folder / OWN_FILE).write_text(text, encoding="utf-8")

    def _close_videos(self) -> None:
        for video in self._videos.values():
            video.close()
        self._videos = {}


def _whole_fps(path: Path, meta: Meta) -> int:
    fps = round(1.0 / meta.control_dt_s)
    if fps < 1 or abs(fps * meta.control_dt_s - 1.0) > 1e-3:
        raise DatasetError(
            f"{path}: LeRobot data have a whole number of frames per second, {meta.control_dt_s:g} s between "
            f"frames are {1 / meta.control_dt_s:g}"
        )
    return fps


def _column(array: Array, dtype: str) -> pa.Array:
    """A column of numbers, or of vectors of fixed size."""
    kind = {"float32": pa.float32(), "float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_()}
    flat = pa.array(np.ascontiguousarray(array).ravel(), kind.get(dtype, pa.uint8()))
    return flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _tasks(task: str) -> pa.Table:
    """The table of tasks, which pandas reads with the task as index."""
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64",
             "metadata": None},
            {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object",
             "metadata": None},
        ],
        "pandas_version": "2.2.0",
    }  # fmt: skip
    table = pa.table({"task_index": pa.array([0], pa.int64()), "task": pa.array([task], pa.string())})
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})
