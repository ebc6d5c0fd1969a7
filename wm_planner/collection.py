"""Scenes to episode data sets: motion that covers the workspace and meets what stands in it."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from joblib import Parallel, cpu_count, delayed

from wm_planner import share
from wm_planner.config import Config, Positive, Seed
from wm_planner.control.kinematics import Floats
from wm_planner.data.episodes import COLLECTION_SEEDS, Episode, EpisodeWriter, Meta, StateSpec, columns
from wm_planner.simulation.base import load_scene
from wm_planner.simulation.mujoco import MujocoSimulator

STATE = (
    StateSpec(name="tcp_position", size=3, unit="m"),
    StateSpec(name="joint_positions", size=7, unit="rad"),
)
EXCURSION_M = 0.03  # an arm this far from its target with nothing in its way is an excursion of the IK
BATCH = 8  # episodes a worker returns at once


class CollectConfig(Config, frozen=True, kw_only=True):
    """How to collect.

    Attributes:
        scene: path of the scene file.
        episodes: to keep.
        steps: transitions an episode.
        seed: counted from `COLLECTION_SEEDS`.
        workers: processes, at most one a core.
    """

    scene: str
    episodes: Positive = 400
    steps: Positive = 40
    seed: Seed = 0
    workers: Positive = 2


def collect(config: CollectConfig, out: Path, progress: Callable[[int], None] = lambda kept: None) -> Meta:
    """Collect a data set into folder `out`; excursions of the inverse kinematics are left out and counted.

    Raises:
        DatasetError: if `out` exists or cannot be written.
        SimulationError: if the scene cannot run here.
    """
    scene = load_scene(config.scene)
    first = COLLECTION_SEEDS + config.seed
    meta = Meta(
        scene=config.scene,
        revision=share.revision(),
        first_seed=first,
        seeds_tried=0,
        rejected={},
        episodes=config.episodes,
        steps=config.steps,
        cameras=scene.cameras,
        image_size=scene.image_size,
        state=STATE,
        action_names=scene.action.names,
        action_units=scene.action.units,
        action_low=scene.action.low,
        action_high=scene.action.high,
        control_dt_s=scene.control_dt_s,
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
        writer.finish(seeds_tried=tried, rejected={"ik_excursion": tried - kept})
    return meta


_simulators: dict[
    str, MujocoSimulator
] = {}  # one a worker process: compiling a scene costs more than an episode


def _run(scene: str, seeds: range, steps: int) -> list[Episode | None]:
    if scene not in _simulators:
        _simulators[scene] = MujocoSimulator(load_scene(scene))
    return [explore(_simulators[scene], seed, steps) for seed in seeds]


def explore(simulator: MujocoSimulator, seed: int, steps: int) -> Episode | None:
    """One episode of `seed`, wandering or seeking in turn, or None if the arm made an excursion.

    Raises:
        SimulationError: if actions of the scene are more than displacements of a tool point.
    """
    arm, rng = simulator.arm, np.random.default_rng(seed)
    observation = simulator.arrange(simulator.scene.explore(rng))
    motion = (Wander, Seek)[seed % 2](simulator, rng)
    frames, states, actions = [], [], []
    for step in range(steps + 1):
        frames.append(np.stack([observation.images[name] for name in simulator.scene.cameras]))
        states.append(columns(dict(observation.state), STATE))
        if step == steps:
            break
        action = motion.action(observation.state["tcp_position"])
        command = simulator.control.command(observation.state["joint_positions"], action)
        result = simulator.step(command)
        error_m = np.linalg.norm(arm.position(command) - result.observation.state["tcp_position"])
        if error_m > EXCURSION_M and not result.info["touched"]:
            return None
        actions.append(action)
        observation = result.observation
    return Episode(
        images=np.stack(frames),
        state=np.stack(states),
        action=np.stack([*actions, np.zeros_like(actions[0])]).astype(np.float32),
    )


class Wander:
    """Smooth random motion: a first-order autoregression whose pace differs from episode to episode, turned
    back at the border of the workspace most of the time."""

    def __init__(self, simulator: MujocoSimulator, rng: np.random.Generator) -> None:
        self._control, self._rng = simulator.arm, rng
        self._limit = np.asarray(simulator.scene.action.high)
        self._memory, self._scale = rng.uniform(0.6, 0.95), rng.uniform(0.4, 1.0)
        self._noise = rng.standard_normal(len(self._limit))

    def action(self, tcp: Floats) -> Floats:
        """The next displacement (3,) in m of a tool point at `tcp` (3,)."""
        fresh = self._rng.standard_normal(len(self._limit))
        self._noise = self._memory * self._noise + np.sqrt(1 - self._memory**2) * fresh
        action = np.clip(self._scale * self._noise, -1, 1) * self._limit
        leaves = (tcp + action < self._control.low) | (tcp + action > self._control.high)
        turned = leaves & (self._rng.random(len(leaves)) < 0.7)
        self._noise = np.where(turned, -self._noise, self._noise)
        return np.asarray(np.where(turned, -action, action))


class Seek:
    """Noisy straight motion to one drawn position after the other: it runs into what is in the way and
    keeps pushing, so that a model can learn what blocks the arm."""

    def __init__(self, simulator: MujocoSimulator, rng: np.random.Generator) -> None:
        self._scene, self._rng = simulator.scene, rng
        self._limit = np.asarray(simulator.scene.action.high)
        self._left = 0

    def action(self, tcp: Floats) -> Floats:
        """The next displacement (3,) in m of a tool point at `tcp` (3,)."""
        if not self._left:
            target, self._left = self._scene.explore(self._rng).tcp, int(self._rng.integers(4, 13))
            assert target is not None  # the scene has an arm
            self._target = target
            self._pace = self._rng.uniform(0.4, 1.0)
        self._left -= 1
        noise = 0.3 * self._rng.standard_normal(len(self._limit)) * self._limit
        return np.asarray(np.clip(self._pace * (self._target - tcp) + noise, -self._limit, self._limit))
