"""Collection of a data set: episodes of consecutive seeds, in several processes, continued if interrupted."""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

from wm_planner import share
from wm_planner.collection.base import BatchExplorer, Explorer, explorer_of
from wm_planner.config import Config, Positive, Seed
from wm_planner.contracts.dataset import COLLECTION_SEEDS, Episode, Meta
from wm_planner.data.episode_writer import EpisodeWriter
from wm_planner.errors import DatasetError
from wm_planner.parallel import parallel

BATCH = 8  # episodes per task of a process
PATIENCE = 64
LEAST_KEPT = 0.01
"""A collection stops if it has kept less than this share of at least `PATIENCE` episodes."""


class CollectConfig(Config, frozen=True, kw_only=True):
    """What to collect.

    Attributes:
        scene: path of a scene file, of a traffic scenario, or of a folder of scenarios; or a simulator as
            `name,key=value`.
        episodes: number of episodes to keep.
        steps: transitions per episode.
        seed: first seed, counted from `COLLECTION_SEEDS`.
        jobs: processes, at most one per core; the data do not depend on it.
    """

    scene: str
    episodes: Positive = 400
    steps: Positive = 40
    seed: Seed = 0
    jobs: Positive = 2


def collect(config: CollectConfig, out: Path, progress: Callable[[int], None] = lambda kept: None) -> Meta:
    """Collect a data set into folder `out`, or continue a collection that was interrupted.

    Args:
        config: what to collect.
        out: must not exist.
        progress: called with the number of episodes kept so far.

    Returns:
        The meta data, with the number of rejected episodes.

    Raises:
        DatasetError: if `out` exists or cannot be written, an interrupted collection had other settings, or
            nearly all episodes are rejected.
        SimulationError: if the scene cannot run here.
        ScenarioError: if a traffic scenario cannot be read.
    """
    explorer = explorer_of(config.scene)
    seed = COLLECTION_SEEDS + config.seed
    meta = meta_of(config.scene, explorer, config.episodes, config.steps, seed)
    run = partial(_run, config.scene, config.steps)
    with EpisodeWriter(out, meta, resumable=True) as writer:
        tried = writer.seeds_tried
        starts = itertools.count(meta.first_seed + tried, BATCH)
        with parallel(run, starts, config.jobs) as batches:
            while writer.episodes < config.episodes:
                for episode in next(batches):
                    if writer.episodes == config.episodes:
                        break
                    tried += 1
                    if episode is not None:
                        writer.add(episode)
                    check_share(config.scene, explorer.reason, writer.episodes, tried)
                writer.save(tried, {explorer.reason: tried - writer.episodes})
                progress(writer.episodes)
        return writer.finish(tried, {explorer.reason: tried - writer.episodes})


def meta_of(scene: str, explorer: Explorer, episodes: int, steps: int, seed: int) -> Meta:
    """What a data set of an explorer holds, before it is recorded.

    Args:
        scene: as in `CollectConfig`.
        explorer: its explorer.
        episodes: number of episodes to keep.
        steps: transitions per episode.
        seed: of the first episode.
    """
    environment = explorer.environment
    return Meta(
        scene=scene,
        revision=share.revision(),
        first_seed=seed,
        seeds_tried=0,
        rejected={},
        episodes=episodes,
        steps=steps,
        cameras=environment.cameras,
        image_size=environment.image_size,
        state=explorer.state,
        action_names=environment.action.names,
        action_units=environment.action.units,
        action_low=environment.action.low,
        action_high=environment.action.high,
        control_dt_s=environment.control_dt_s,
        action_choices=environment.action.choices,
        action_absolute=environment.action.absolute,
        signals=explorer.signals,
    )


def check_share(scene: str, reason: str, kept: int, tried: int) -> None:
    """Stop a collection that rejects nearly all episodes.

    Raises:
        DatasetError: with the reason of the rejections.
    """
    if tried >= PATIENCE and kept < LEAST_KEPT * tried:
        raise DatasetError(
            f"{scene}: {tried - kept} of {tried} episodes were rejected ({reason}), so the collection was "
            "stopped; look at what the explorer does in this scene, or collect shorter episodes (--steps)"
        )


def _run(scene: str, steps: int, first: int) -> list[Episode | None]:
    """The episodes of `BATCH` seeds from `first` on."""
    explorer, seeds = explorer_of(scene), range(first, first + BATCH)
    if isinstance(explorer, BatchExplorer):
        return explorer.episodes(seeds, steps)
    return [explorer.episode(seed, steps) for seed in seeds]
