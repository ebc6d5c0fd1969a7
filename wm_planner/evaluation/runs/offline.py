"""Offline evaluation of a recorded run: the live statistics, and prediction errors of the model."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import nanoseconds
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel
from wm_planner.evaluation.runs.run_statistics import TOPICS, RunFigures, RunStatistics
from wm_planner.messaging.messages import named_arrays_of, stamp_ns
from wm_planner.recording.player import Player

HORIZONS = (1, 2, 5, 10)


def replayed_figures(recording: Path) -> RunFigures:
    """The statistics of a recorded run, up to the end of the recording.

    Raises:
        RecordingError: if the recording cannot be read.
    """
    player = Player(recording)
    statistics = RunStatistics(is_realtime=player.metadata.get("mode") == "realtime")
    for recorded in player.messages([topic for topic in TOPICS if topic in player.topics]):
        statistics.add(recorded.topic, recorded.message)
    return msgspec.structs.replace(statistics.figures(), is_complete=player.is_complete)


def prediction_errors(
    recording: Path, model: WorldModel, horizons: Sequence[int] = HORIZONS
) -> dict[int, tuple[float, int]]:
    """Prediction errors under the executed actions, by steps ahead.

    Returns:
        (E|predicted - observed|^2 / E|observed - start|^2, number of pairs) by steps ahead; 1 is copy-last.
        Horizons that are longer than all episodes are left out.
    """
    array = next(spec.name for spec in model.card.latents if spec.unit is None)
    error = dict.fromkeys(horizons, 0.0)
    change = dict.fromkeys(horizons, 0.0)
    count = dict.fromkeys(horizons, 0)
    for latents, actions in _episodes(recording, nanoseconds(model.card.control_dt_s)):
        for start in range(len(latents) - 1):
            now: Latent = latents[start]
            for h in range(1, min(max(horizons), len(latents) - 1 - start) + 1):
                now, _ = model.step(now, actions[start + h - 1][None])
                if h in error:
                    observed = latents[start + h][array]
                    error[h] += float(np.sum((now[array] - observed) ** 2))
                    change[h] += float(np.sum((latents[start][array] - observed) ** 2))
                    count[h] += 1
    return {h: (error[h] / change[h], count[h]) for h in horizons if count[h] and change[h]}


def _episodes(
    recording: Path, dt_ns: int
) -> list[tuple[list[dict[str, NDArray[np.float32]]], list[NDArray[np.float32]]]]:
    """Sequences of T consecutive latents, and the T - 1 actions executed between them."""
    player = Player(recording)
    latents: dict[int, dict[str, NDArray[np.float32]]] = {}
    goals: dict[int, int] = {}
    actions: dict[int, NDArray[np.float32]] = {}
    for recorded in player.messages([t for t in ("/latent", "/plan") if t in player.topics]):
        message = recorded.message
        if recorded.topic == "/latent":
            stamp = stamp_ns(message)
            latents[stamp], goals[stamp] = named_arrays_of(message.arrays), message.goal_id
        elif not message.fallback:
            rows = message.actions.reshape(message.horizon, -1)
            for step in range(message.execute_steps):
                actions[stamp_ns(message) + step * nanoseconds(message.dt_s)] = rows[step]
    sequences: list[tuple[list[dict[str, NDArray[np.float32]]], list[NDArray[np.float32]]]] = []
    before: int | None = None
    for stamp in sorted(latents):
        follows = before is not None and stamp - before == dt_ns and goals[stamp] == goals[before]
        if follows and before in actions:
            sequences[-1][0].append(latents[stamp])
            sequences[-1][1].append(actions[before])
        else:
            sequences.append(([latents[stamp]], []))
        before = stamp
    return sequences
