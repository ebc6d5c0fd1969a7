"""Speed and size of the forms of a data set: writing, reading in order, and reading clips at random."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from wm_planner.contracts.dataset import Episode, Meta
from wm_planner.data.episodes import clip_starts, episode_rows
from wm_planner.data.forms import Form, open_dataset, writer
from wm_planner.errors import DatasetError
from wm_planner.manipulation.simulation.exploration import ArmExplorer, explore, state_of
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import load_scene

ResultT = TypeVar("ResultT")

CLIP = 8  # frames of a random clip
CLIPS = 200


@dataclass(frozen=True, slots=True)
class FormRow:
    """The measurement of one form; rates are pictures per second of CPU time in one process.

    Attributes:
        form: of the data set.
        written, read: in order.
        sampled: in clips of 8 frames at random.
        kilobytes: per picture, on disk.
        is_equal: whether everything that was read is equal to what was written.
    """

    form: Form
    written: float
    read: float
    sampled: float
    kilobytes: float
    is_equal: bool


def recorded_episodes(scene: str, pixels: int, episodes: int, steps: int) -> tuple[Meta, list[Episode]]:
    """What a data set of a scene holds, and its episodes, with pictures of `pixels` x `pixels`."""
    declared = dataclasses.replace(load_scene(scene), image_size=(pixels, pixels))  # type: ignore[type-var]
    simulator = MujocoSimulator(declared)
    action = declared.action
    meta = Meta(
        scene=scene,
        revision="",
        first_seed=0,
        seeds_tried=episodes,
        rejected={},
        episodes=episodes,
        steps=steps,
        cameras=declared.cameras,
        image_size=declared.image_size,
        state=state_of(simulator),
        action_names=action.names,
        action_units=action.units,
        action_low=action.low,
        action_high=action.high,
        control_dt_s=declared.control_dt_s,
        signals=ArmExplorer.signals,
    )
    found = (explore(simulator, seed, steps) for seed in range(2 * episodes))
    kept = [episode for episode in found if episode is not None][:episodes]
    simulator.close()
    return meta, kept


def form_rows(meta: Meta, episodes: Sequence[Episode], forms: Sequence[Form]) -> Iterator[FormRow]:
    """Write and read `episodes` in each of the `forms`, in a temporary folder.

    Raises:
        DatasetError: if a form needs a package that is not installed.
    """
    pictures = sum(len(episode.action) for episode in episodes) * len(meta.cameras)
    with tempfile.TemporaryDirectory() as folder:
        for form in forms:
            path = Path(folder) / form
            written_s, _ = _timed(_write, path, meta, episodes, form)
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            read_s, differing = _timed(_differences, path, episodes)
            sampled_s, _ = _timed(_sample, path)
            yield FormRow(
                form=form,
                written=pictures / written_s,
                read=pictures / read_s,
                sampled=CLIPS * CLIP * len(meta.cameras) / sampled_s,
                kilobytes=size / pictures / 1e3,
                is_equal=not differing,
            )


def _write(path: Path, meta: Meta, episodes: Sequence[Episode], form: Form) -> None:
    with writer(path, meta, form) as target:
        for episode in episodes:
            target.add(episode)
        target.finish(len(episodes), {})


def _differences(path: Path, episodes: Sequence[Episode]) -> list[str]:
    """The arrays that differ from what was written, read episode by episode."""
    data = open_dataset(path)
    found = []
    for index, episode in enumerate(episodes):
        rows = episode_rows(data.episode, index)
        found += [
            f"{name} of episode {index}"
            for name, array in episode.arrays.items()
            if not np.array_equal(data.read(name, rows), array)
        ]
    return found


def _sample(path: Path) -> None:
    data, rng = open_dataset(path), np.random.default_rng(0)
    starts = clip_starts(data.episode, CLIP)
    if not len(starts):
        raise DatasetError(f"no episode has {CLIP} frames: measure longer ones")
    for start in rng.choice(starts, CLIPS):
        np.ascontiguousarray(data.read("images", slice(int(start), int(start) + CLIP)))


def _timed(call: Callable[..., ResultT], *arguments: Any) -> tuple[float, ResultT]:
    """CPU time of a call in s, and its result."""
    start = time.process_time()
    result = call(*arguments)
    return time.process_time() - start, result
