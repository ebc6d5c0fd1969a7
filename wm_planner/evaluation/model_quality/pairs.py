"""Pairs of recorded frames with the action between them, from data sets or files of arrays.

A file of arrays (.npz) has `observations` (E, T, H, W, 3), uint8 RGB of one camera, and `states` (E, T, 7),
poses as in `control/pose.py`; the action is the motion from one pose to the next. The example trajectories of
facebookresearch/vjepa2 have this format.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import Card
from wm_planner.contracts.dataset import Dataset
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.task import Goal
from wm_planner.control.pose import action_between
from wm_planner.data import npy
from wm_planner.data.episodes import clip_starts, episode_rows, quantity_of
from wm_planner.data.forms import open_dataset
from wm_planner.errors import DatasetError

POSE_SIZE = 7


class Pair(NamedTuple):
    """Two consecutive frames.

    Attributes:
        source: data set, episode and step, for titles.
        before: observation of the first frame.
        after: images of the second frame, as a goal.
        action: action executed between them, (A,), in the card's units.
    """

    source: str
    before: Observation
    after: Observation
    action: NDArray[np.float32]


def recorded_pair(path: Path, card: Card, episode: int = 0, step: int = 0) -> Pair:
    """Frames `step` and `step` + 1 of an episode, from a data set folder or a file of arrays.

    Raises:
        DatasetError: if there is no such frame, or the data do not match the card.
    """
    if path.suffix == ".npz":
        return _pair_of_arrays(path, card, episode, step)
    data = open_dataset(path)
    check_fits(data, card)
    _check_index(path, "episode", episode, data.meta.episodes)
    rows = episode_rows(data.episode, episode)
    _check_index(path, "step", step, rows.stop - rows.start - 1)
    return _pair_of_data(data, card, rows.start + step)


def spread_pairs(data: Dataset, card: Card, count: int) -> Iterator[Pair]:
    """`count` pairs evenly spread over a data set, or all pairs if there are fewer.

    Raises:
        DatasetError: if the data do not match the card, or no episode has two frames.
    """
    check_fits(data, card)
    starts = starts_of(data, 2)
    yield from pairs_at(
        data, card, starts[np.linspace(0, len(starts) - 1, min(count, len(starts))).astype(int)]
    )


def pairs_at(data: Dataset, card: Card, rows: NDArray[np.int64]) -> Iterator[Pair]:
    """The pairs whose first frames are `rows` (n,), of data that fit the card."""
    for row in rows:
        yield _pair_of_data(data, card, int(row))


def starts_of(data: Dataset, length: int) -> NDArray[np.int64]:
    """Indices of the frames at which a clip of `length` frames within one episode starts.

    Raises:
        DatasetError: if every episode is shorter.
    """
    starts = clip_starts(data.episode, length)
    if not len(starts):
        longest = int(np.bincount(data.episode).max())
        raise DatasetError(
            f"{data.path}: the longest episode has {longest} frames, wanted {length}: measure on longer ones"
        )
    return starts


def check_fits(data: Dataset, card: Card) -> None:
    """Check that data have the cameras, states and actions of a card.

    Raises:
        DatasetError: naming what they have.
    """
    meta, known = data.meta, data.meta.cameras
    missing = [camera for camera in card.observation.cameras if camera not in known]
    if missing:
        raise DatasetError(
            f"{data.path} has no camera '{missing[0]}' (known: {', '.join(known)}), which {card.name} needs"
        )
    for spec in card.observation.state:
        size = quantity_of(data, spec.name, slice(0, 1)).shape[1]
        if size != spec.size:
            raise DatasetError(
                f"{data.path}: {spec.name} has {size} components, {card.name} takes {spec.size}: "
                "is it another robot's data?"
            )
    if meta.action_names != card.action.names:
        raise DatasetError(
            f"{data.path} has actions {', '.join(meta.action_names)}, {card.name} takes "
            f"{', '.join(card.action.names)}: is it another robot's data?"
        )


def observation_at(data: Dataset, card: Card, row: int) -> Observation:
    """One frame with the cameras and states of the card, of data that fit it."""
    rows, known = slice(row, row + 1), data.meta.cameras
    images = data.read("images", rows)[0] if card.observation.cameras else ()
    return Observation(
        images={camera: images[known.index(camera)] for camera in card.observation.cameras},
        state={spec.name: quantity_of(data, spec.name, rows)[0] for spec in card.observation.state},
    )


def _pair_of_data(data: Dataset, card: Card, row: int) -> Pair:
    episode = int(data.episode[row])
    source = f"{data.path}, episode {episode}, step {row - episode_rows(data.episode, episode).start}"
    after = Goal(observation_at(data, card, row + 1).images)
    action = data.read("action", slice(row, row + 1))[0].astype(np.float32)
    return Pair(source, observation_at(data, card, row), after, action)


def _pair_of_arrays(path: Path, card: Card, episode: int, step: int) -> Pair:
    try:
        images, states = (npy.archived(path, name) for name in ("observations", "states"))
    except DatasetError as error:
        raise DatasetError(
            f"{error}; wanted a data set folder, or an .npz with the arrays "
            "`observations` (E, T, H, W, 3) and `states` (E, T, 7)"
        ) from None
    if images.ndim != 5 or states.shape != (*images.shape[:2], POSE_SIZE):
        raise DatasetError(
            f"{path}: observations have shape {images.shape}, states {states.shape}, "
            "wanted (E, T, H, W, 3) and (E, T, 7)"
        )
    expected = card.observation
    sizes = [quantity.size for quantity in expected.state]
    if len(expected.cameras) != 1 or sizes != [POSE_SIZE] or len(card.action.names) != POSE_SIZE:
        raise DatasetError(
            f"{path} has one camera, poses and actions of size 7; {card.name} wants "
            f"{len(expected.cameras)} cameras, states of sizes {sizes} and actions of size "
            f"{len(card.action.names)}"
        )
    _check_index(path, "episode", episode, len(images))
    _check_index(path, "step", step, images.shape[1] - 1)
    before, after = (Goal({expected.cameras[0]: images[episode, step + i]}) for i in (0, 1))
    poses = states[episode, step : step + 2].astype(np.float64)
    return Pair(
        source=f"{path}, episode {episode}, step {step}",
        before=Observation(before.images, {expected.state[0].name: states[episode, step]}),
        after=after,
        action=action_between(poses[0], poses[1]).astype(np.float32),
    )


def _check_index(path: Path, what: str, index: int, count: int) -> None:
    if not 0 <= index < count:
        raise DatasetError(f"{path}: {what} is {index}, wanted 0 to {count - 1}")
