"""Scenarios from drives recorded on the bus: the contents of /map, /objects and /odom.

A drive begins with each /map. Step t of its tracks is t periods after its first tick, and the period is the
map's. A lost tick leaves a gap in the tracks, with a note.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import NANOSECONDS
from wm_planner.driving.bridges.messages import (
    Objects,
    ego_state_of,
    objects_of,
    scenario_of,
)
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import Tracks, empty_tracks
from wm_planner.errors import MessagingError, ScenarioError, ShapeError
from wm_planner.messaging import messages as m
from wm_planner.recording.player import Player

TOPICS = ("/map", "/objects", "/odom")

MAX_STEPS = 100_000

_JITTER = 0.2  # of a period


@dataclass
class _Drive:
    """The messages that follow one /map, by stamp in ns."""

    map: m.Message
    objects: dict[int, Objects] = field(default_factory=dict)
    ego: dict[int, NDArray[np.float64]] = field(default_factory=dict)


def read_recorded_scenario(path: Path) -> Scenario:
    """The one drive of a recording.

    Raises:
        ScenarioError: if it holds none, or several.
    """
    scenarios = recorded_scenarios(path)
    if len(scenarios) != 1:
        raise ScenarioError(
            f"{path}: holds {len(scenarios)} drives, wanted one; "
            "take them all by evaluation.recorded_scenarios.recorded_scenarios"
        )
    return scenarios[0]


def recorded_scenarios(path: Path) -> tuple[Scenario, ...]:
    """The drives of a recording, in their order.

    Raises:
        ScenarioError: if it holds no /map, or a drive cannot be read.
        RecordingError: if it cannot be read.
    """
    player = Player(path)
    if "/map" not in player.topics:
        raise ScenarioError(f"{path}: no drive was recorded: it has {list(player.topics)}, wanted /map")
    try:
        return tuple(_scenario(drive, str(path)) for drive in _drives(player))
    except (ShapeError, MessagingError) as error:
        raise ScenarioError(f"{path}: cannot be used: {error}") from None


def _drives(player: Player) -> Iterator[_Drive]:
    drive = None
    for recorded in player.messages([topic for topic in TOPICS if topic in player.topics]):
        if recorded.topic == "/map":
            if drive is not None and recorded.stamp_ns == m.stamp_ns(drive.map):
                continue  # latched, published again by a respawned node
            if drive is not None:
                yield drive
            drive = _Drive(recorded.message)
        elif drive is not None and recorded.topic == "/objects":
            drive.objects[recorded.stamp_ns] = objects_of(recorded.message)
        elif drive is not None:
            drive.ego[recorded.stamp_ns] = ego_state_of(recorded.message)
    if drive is not None:
        yield drive


def _scenario(drive: _Drive, where: str) -> Scenario:
    still = scenario_of(drive.map)
    first = still.problems[0].start.step if still.problems else 0
    stamps = sorted({*drive.objects, *drive.ego})
    step_of = _steps(stamps, still.dt, first, where)
    count = max(step_of.values(), default=-1) + 1
    notes = list(still.repairs)
    if count - first > len(step_of):
        notes.append(
            f"{count - first - len(step_of)} of {count - first} ticks are missing: no agents are known there"
        )
    ego_id = still.problems[0].id if still.problems else 0
    return replace(
        still,
        tracks=_tracks(drive.objects, step_of, count),
        ego=_ego(drive, step_of, count, ego_id) if drive.ego else None,
        repairs=tuple(notes),
    )


def _steps(stamps: list[int], dt: float, first: int, where: str) -> dict[int, int]:
    """The step of each stamp.

    Raises:
        ScenarioError: if one lies a fifth of a period or more off, or they span too much.
    """
    if not stamps:
        return {}
    periods = (np.array(stamps) - stamps[0]) / (dt * NANOSECONDS)
    steps = np.round(periods)
    worst = int(np.abs(periods - steps).argmax())
    if abs(periods[worst] - steps[worst]) > _JITTER:
        raise ScenarioError(
            f"{where}: the time step is not constant: a tick {periods[worst] * dt:.3f} s after the first is "
            f"no multiple of the map's {dt:g} s"
        )
    if steps[-1] + first >= MAX_STEPS:
        raise ScenarioError(f"{where}: a drive of {steps[-1]:.0f} steps, wanted at most {MAX_STEPS}")
    return dict(zip(stamps, (steps.astype(int) + first).tolist(), strict=True))


def _tracks(seen: Mapping[int, Objects], step_of: Mapping[int, int], count: int) -> Tracks:
    """All agents that were seen; kind and size are those of the first time."""
    known: dict[int, tuple[str, NDArray[np.float64]]] = {}
    for objects in seen.values():
        for identity, kind, size in zip(objects.ids, objects.kinds, objects.sizes, strict=True):
            known.setdefault(identity, (kind, size))
    if not known:
        return empty_tracks(count)
    row_of = {identity: row for row, identity in enumerate(known)}
    states = np.full((len(known), count, 4), np.nan)
    valid = np.zeros((len(known), count), np.bool_)
    for stamp, objects in seen.items():
        rows = _rows(objects.ids, row_of)
        states[rows, step_of[stamp]] = objects.states
        valid[rows, step_of[stamp]] = True
    kinds, sizes = zip(*known.values(), strict=True)
    return Tracks(tuple(known), kinds, np.array(sizes), states, valid)


def _rows(ids: Iterable[int], row_of: Mapping[int, int]) -> list[int]:
    return [row_of[identity] for identity in ids]


def _ego(drive: _Drive, step_of: Mapping[int, int], count: int, identity: int) -> Tracks:
    stamps = sorted(drive.ego)
    at = [step_of[stamp] for stamp in stamps]
    states = np.full((1, count, 4), np.nan)
    states[0, at] = np.array([drive.ego[stamp] for stamp in stamps])
    states[0, at, 2] = np.unwrap(states[0, at, 2])
    valid = np.zeros((1, count), np.bool_)
    valid[0, at] = True
    return Tracks((identity,), ("car",), drive.map.ego_size[None], states, valid)
