"""The description of a LeRobot data set: `meta/info.json`, and what it says in our words.

Source: LeRobotDataset v3.0 of huggingface/lerobot (lerobot/datasets).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from wm_planner.contracts.dataset import REWARD, TERMINATED, TRUNCATED, Meta, Signal
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import DatasetError

VERSION = "v3.0"
INFO_FILE = "meta/info.json"
STATS_FILE = "meta/stats.json"
TASKS_FILE = "meta/tasks.parquet"
OWN_FILE = "meta/wm_planner.yaml"
"""Our `Meta`, with units and bounds, for which LeRobot has no place."""

EPISODES_FOLDER = "meta/episodes"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
IMAGES = "observation.images."
STATE = "observation.state"
NAMES = {"next.reward": REWARD.name, "next.done": TERMINATED.name, "next.truncated": TRUNCATED.name}
"""LeRobot's names of our signals."""

INDEX = ("timestamp", "frame_index", "episode_index", "index", "task_index")
"""Columns that say which frame a row is."""

Dtype = {"float32", "float64", "int64", "uint8", "bool"}


class Feature(msgspec.Struct, omit_defaults=True):
    """A feature of info.json; `names` may be a list, or a mapping to one."""

    dtype: str
    shape: tuple[int, ...]
    names: Any = None
    info: dict[str, Any] = msgspec.field(default_factory=dict)


class Info(msgspec.Struct):
    """The contents of info.json that are used here; other keys are ignored."""

    codebase_version: str
    total_episodes: int
    total_frames: int
    fps: float
    features: dict[str, Feature]
    data_path: str = DATA_PATH
    video_path: str | None = VIDEO_PATH


def read_info(folder: Path) -> Info:
    """The description of the data set in `folder`.

    Raises:
        DatasetError: if it cannot be read, or is of another version.
    """
    file = folder / INFO_FILE
    try:
        info = msgspec.json.decode(file.read_bytes(), type=Info)
    except (OSError, msgspec.DecodeError) as error:
        raise DatasetError(f"{file}: cannot be read ({error})") from None
    if info.codebase_version != VERSION:
        raise DatasetError(
            f"{file}: a LeRobot data set of version {info.codebase_version}, wanted {VERSION}; convert it "
            "with lerobot's `python -m lerobot.scripts.convert_dataset_v21_to_v30`"
        )
    return info


def features_of(meta: Meta, fps: int) -> dict[str, Feature]:
    """The features of info.json.

    Raises:
        DatasetError: for a signal that is no vector.
    """
    height, width = meta.image_size
    video = {
        "video.height": height,
        "video.width": width,
        "video.codec": "h264",
        "video.pix_fmt": "gbrp",
        "video.is_depth_map": False,
        "video.fps": fps,
        "video.channels": 3,
        "has_audio": False,
    }
    features = {
        f"{IMAGES}{camera}": Feature("video", (height, width, 3), ["height", "width", "channels"], video)
        for camera in meta.cameras
    }
    if meta.state:
        names = [f"{each.name}.{i}" for each in meta.state for i in range(each.size)]
        features[STATE] = Feature("float32", (len(names),), names)
    features["action"] = Feature("float32", (len(meta.action_names),), list(meta.action_names))
    for signal in meta.signals:
        if len(signal.shape) > 1:
            raise DatasetError(
                f"the signal '{signal.name}' has shape {signal.shape}, which is not written to LeRobot data: "
                "wanted one number or a vector per frame"
            )
        features[lerobot_name(signal)] = Feature(signal.dtype, signal.shape or (1,))
    return features | {name: Feature("float32" if name == "timestamp" else "int64", (1,)) for name in INDEX}


def lerobot_name(signal: Signal) -> str:
    """The name of a signal's column."""
    return {ours: theirs for theirs, ours in NAMES.items()}.get(signal.name, signal.name)


def cameras_of(info: Info) -> dict[str, Feature]:
    """Feature name to feature, of the cameras."""
    return {name: each for name, each in info.features.items() if each.dtype in ("video", "image")}


def foreign_meta(folder: Path, info: Info, action_range: tuple[list[float], list[float]]) -> Meta:
    """What a data set holds that others wrote; its units are unknown.

    Args:
        folder: of the data set.
        info: its description.
        action_range: smallest and largest value of each action component, which become its bounds.

    Raises:
        DatasetError: if it has no action, or cameras of different sizes.
    """
    cameras = cameras_of(info)
    sizes = {name: _picture_size(feature) for name, feature in cameras.items()}
    if len(set(sizes.values())) > 1:
        raise DatasetError(
            f"{folder}: the cameras have different sizes, {sizes}, wanted the same: scale the videos to one "
            "size"
        )
    if "action" not in info.features:
        raise DatasetError(f"{folder}: there is no feature 'action' (known: {', '.join(info.features)})")
    height, width = next(iter(sizes.values())) if sizes else (0, 0)
    names = _names(info.features["action"])
    return Meta(
        scene=folder.name,
        revision="",
        first_seed=0,
        seeds_tried=info.total_episodes,
        rejected={},
        episodes=info.total_episodes,
        steps=0,
        cameras=tuple(name.removeprefix(IMAGES) for name in cameras),
        image_size=(height, width),
        state=tuple(
            Quantity(name=_identifier(name.removeprefix("observation.")), size=each.shape[0], unit="")
            for name, each in state_features(info).items()
        ),
        action_names=names,
        action_units=("",) * len(names),
        action_low=tuple(low - _margin(low, high) for low, high in zip(*action_range, strict=True)),
        action_high=tuple(high + _margin(low, high) for low, high in zip(*action_range, strict=True)),
        control_dt_s=1.0 / info.fps,
        frames=info.total_frames,
        signals=tuple(signal for signal, _ in signal_features(info)),
    )


def state_features(info: Info) -> dict[str, Feature]:
    """The features that make up the state: vectors of floats called `observation.*`."""
    return {
        name: each
        for name, each in info.features.items()
        if name.startswith("observation.") and each.dtype == "float32" and len(each.shape) == 1
    }


def signal_features(info: Info) -> list[tuple[Signal, str]]:
    """The other features of numbers, as signals with the names of their columns."""
    others = info.features.keys() - state_features(info).keys() - cameras_of(info).keys() - {"action", *INDEX}
    found = []
    for name in sorted(others):
        each = info.features[name]
        if each.dtype in Dtype and len(each.shape) == 1:
            shape = () if each.shape == (1,) else each.shape
            values = {"name": NAMES.get(name, _identifier(name)), "shape": shape, "dtype": each.dtype}
            found.append((msgspec.convert(values, Signal), name))
    return found


def _picture_size(feature: Feature) -> tuple[int, int]:
    """Height and width of a camera's pictures, whose shape starts or ends with the channels."""
    first, second, last = feature.shape
    channels_first = isinstance(feature.names, list) and str(feature.names[0]).startswith("channel")
    return (second, last) if channels_first else (first, second)


def _names(feature: Feature) -> tuple[str, ...]:
    names: Any = feature.names
    while isinstance(names, Mapping):
        names = next(iter(names.values()), None)
    size = feature.shape[0]
    if isinstance(names, list) and len(names) == size:
        return tuple(map(str, names))
    return tuple(f"action.{i}" for i in range(size))


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def _margin(low: float, high: float) -> float:
    """Widens the bounds of a component that never changes."""
    return 0.0 if low < high else max(1.0, abs(low)) * 1e-3
