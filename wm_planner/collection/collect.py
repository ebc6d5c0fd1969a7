"""Collection of a data set: episodes of consecutive seeds, in several processes."""

import itertools
from collections.abc import Callable
from pathlib import Path

from joblib import Parallel, cpu_count, delayed

from wm_planner import share
from wm_planner.collection.base import explorer_of
from wm_planner.config import Config, Positive, Seed
from wm_planner.contracts.dataset import COLLECTION_SEEDS, Episode, Meta
from wm_planner.data.episode_writer import EpisodeWriter

BATCH = 8  # episodes per worker task


class CollectConfig(Config, frozen=True, kw_only=True):
    """What to collect.

    Attributes:
        scene: path of a scene file, of a traffic scenario, or of a folder of scenarios; or a simulator as
            `name,key=value`.
        episodes: number of episodes to keep.
        steps: transitions per episode.
        seed: first seed, counted from `COLLECTION_SEEDS`.
        workers: processes, at most one per core.
    """

    scene: str
    episodes: Positive = 400
    steps: Positive = 40
    seed: Seed = 0
    workers: Positive = 2


def collect(config: CollectConfig, out: Path, progress: Callable[[int], None] = lambda kept: None) -> Meta:
    """Collect a data set into folder `out`.

    Args:
        config: what to collect.
        out: must not exist.
        progress: called with the number of episodes kept so far.

    Returns:
        The meta data, with the number of rejected episodes.

    Raises:
        DatasetError: if `out` exists or cannot be written.
        SimulationError: if the scene cannot run here.
        ScenarioError: if a traffic scenario cannot be read.
    """
    explorer = explorer_of(config.scene)
    environment, first = explorer.environment, COLLECTION_SEEDS + config.seed
    meta = Meta(
        scene=config.scene,
        revision=share.revision(),
        first_seed=first,
        seeds_tried=0,
        rejected={},
        episodes=config.episodes,
        steps=config.steps,
        cameras=environment.cameras,
        image_size=environment.image_size,
        state=explorer.state,
        action_names=environment.action.names,
        action_units=environment.action.units,
        action_low=environment.action.low,
        action_high=environment.action.high,
        control_dt_s=environment.control_dt_s,
    )
    workers = min(config.workers, cpu_count(), config.episodes)
    tried = kept = 0
    with EpisodeWriter(out, meta) as writer, Parallel(n_jobs=workers) as parallel:
        while kept < config.episodes:
            start = first + tried
            batches = [range(s, s + BATCH) for s in range(start, start + BATCH * workers, BATCH)]
            for episode in itertools.chain.from_iterable(
                parallel(delayed(_run)(config.scene, seeds, config.steps) for seeds in batches)
            ):
                if kept == config.episodes:
                    break
                tried += 1
                if episode is not None:
                    writer.add(episode)
                    kept += 1
            progress(kept)
        return writer.finish(seeds_tried=tried, rejected={explorer.reason: tried - kept})


def _run(scene: str, seeds: range, steps: int) -> list[Episode | None]:
    explorer = explorer_of(scene)
    return [explorer.episode(seed, steps) for seed in seeds]
