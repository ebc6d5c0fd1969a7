"""Conversion of data sets and recordings into a data set of any form."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner.collection.recordings import RecordedEpisodes
from wm_planner.collection.topic_map import TopicMap
from wm_planner.contracts.dataset import Dataset, Episode, Meta
from wm_planner.data.folders import check_fresh
from wm_planner.data.forms import Form, episode_at, open_dataset, writer
from wm_planner.errors import ConfigError, DatasetError
from wm_planner.recording.bag import is_recording


def convert(
    source: Path,
    out: Path,
    form: Form,
    topics: TopicMap | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    warn: Callable[[str], None] = print,
    shrink: int = 1,
) -> Meta:
    """Convert a data set or a recording.

    Args:
        source: folder of a data set of any form, MCAP file, or rosbag2 folder.
        out: folder of the new data set, which must not exist; it appears only when it is complete.
        form: of the new data set.
        topics: what to read of a recording.
        progress: called with the number of episodes written, and of all episodes.
        warn: called with what was left out.
        shrink: whole factor by which pictures become smaller, by area averaging.

    Returns:
        The meta data of the new data set.

    Raises:
        DatasetError: if the source is damaged, or `out` exists, lies in the source, or cannot hold it.
        RecordingError: if the recording cannot be read, or lacks what `topics` names.
        ConfigError: if a recording comes without `topics`, or the pictures do not divide by `shrink`.
    """
    check_fresh(out)
    if source.resolve() in out.resolve().parents:
        raise DatasetError(f"{out} lies in the source, {source}: choose a folder outside of it")
    if is_recording(source):
        if topics is None:
            raise ConfigError(
                f"{source} is a recording: say which topics to read, with --topics FILE, or with --card "
                "BUNDLE for a recording of this package's nodes"
            )
        recorded = RecordedEpisodes(source, topics)
        if not recorded.is_complete:
            warn(f"{source} was cut off: only its whole part is converted")
        if recorded.skipped:
            warn(f"{source}: {recorded.skipped} frames are left out, next to which a message is missing")
        meta, episodes = recorded.meta, iter(recorded)
    else:
        data = open_dataset(source)
        meta, episodes = data.meta, _episodes(data)
    if shrink != 1:
        meta, episodes = _smaller(meta, shrink), _shrunk(episodes, shrink)
    with writer(out, meta, form) as target:
        for done, episode in enumerate(episodes, 1):
            target.add(episode)
            progress(done, meta.episodes)
        return target.finish(meta.seeds_tried, meta.rejected)


def _episodes(data: Dataset) -> Iterator[Episode]:
    for index in range(data.meta.episodes):
        yield episode_at(data, index)


def _smaller(meta: Meta, shrink: int) -> Meta:
    """The meta data with smaller pictures; no command collects these, so there is no revision."""
    height, width = meta.image_size
    if shrink < 1 or height % shrink or width % shrink:
        raise ConfigError(f"pictures of {height}x{width} pixels cannot be shrunk by {shrink}, not a divisor")
    return msgspec.structs.replace(meta, image_size=(height // shrink, width // shrink), revision="")


def _shrunk(episodes: Iterable[Episode], shrink: int) -> Iterator[Episode]:
    for episode in episodes:
        yield replace(episode, images=area_means(episode.images, shrink))


def area_means(images: NDArray[np.uint8], shrink: int) -> NDArray[np.uint8]:
    """The rounded means of squares of `shrink` pixels; (..., H, W, 3) to (..., H / shrink, W / shrink, 3)."""
    total = np.zeros((*images.shape[:-3], *(side // shrink for side in images.shape[-3:-1]), 3), np.uint32)
    for row in range(shrink):
        for column in range(shrink):
            total += images[..., row::shrink, column::shrink, :]
    means: NDArray[np.uint8] = ((total + shrink**2 // 2) // shrink**2).astype(np.uint8)
    return means
