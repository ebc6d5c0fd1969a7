"""Read ScenarioNet's scenario descriptions (Waymo, nuPlan, nuScenes, ...): pickled dictionaries of numpy
arrays.

Source: the scenario description of MetaDrive 0.4 and ScenarioNet's converters.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.scenarios.readers import numpy_pickle
from wm_planner.driving.scenarios.readers.dictionary import Dictionary
from wm_planner.driving.scenarios.readers.recorded import (
    SIZES,
    IdAllocator,
    constant_time_step,
    plausible_states,
    problem_from_recording,
    states_from_velocity,
)
from wm_planner.driving.scenarios.readers.scenarionet_road import read_road
from wm_planner.driving.scenarios.scenario import Origin, Scenario
from wm_planner.driving.scenarios.tracks import Tracks, empty_tracks
from wm_planner.errors import ScenarioError, ShapeError

KINDS = {"VEHICLE": "car", "PEDESTRIAN": "pedestrian", "CYCLIST": "bicycle"}
"""Kinds by ScenarioNet's types; other types are "unknown"."""

MAX_STATES = 5_000_000
"""Maximum number of tracks times steps."""

_MAX_SIZE = 100.0  # m


class _Row(NamedTuple):
    id: int
    kind: str
    size: tuple[float, float]
    states: NDArray[np.float64]
    valid: NDArray[np.bool_]


def read_scenarionet(path: Path) -> Scenario:
    """Read a scenario from a ScenarioNet pickle.

    Raises:
        ScenarioError: if the file is invalid, with the location of the missing or invalid entry.
    """
    root = Dictionary(numpy_pickle.read(path), str(path))
    try:
        return _scenario(root, path.stem)
    except ShapeError as error:
        raise ScenarioError(f"{path}: cannot be used: {error}") from None


def _scenario(root: Dictionary, name: str) -> Scenario:
    metadata = root.dictionary("metadata")
    notes: list[str] = []
    ids = IdAllocator()
    times = metadata.array("ts", None)
    dt = constant_time_step(times, f"{root.location}: metadata.ts")
    rows = _rows(root.dictionary("tracks"), len(times), ids, notes)
    ego_name = metadata.get("sdc_id")
    ego_row = rows.pop(str(ego_name), None)
    ego = None if ego_row is None else _tracks([ego_row], len(times))
    if ego is None:
        notes.append(
            f"no track of the ego (metadata.sdc_id is {ego_name!r:.40}): there is no planning problem"
        )
    return Scenario(
        id=str(root.get("id", name)),
        dt=dt,
        road=read_road(root, ids, notes),
        tracks=_tracks(list(rows.values()), len(times)),
        problems=() if ego is None else (problem_from_recording(ego, ids.allocate("problem"), notes),),
        ego=ego,
        origin=Origin(source=str(metadata.get("dataset", ""))),
        repairs=tuple(notes),
    )


def _rows(entries: Dictionary, steps: int, ids: IdAllocator, notes: list[str]) -> dict[str, _Row]:
    """Tracks by name, without those that are never valid."""
    tracks = dict(entries.dictionaries())
    if len(tracks) * steps > MAX_STATES:
        raise ScenarioError(
            f"{entries.location}: {len(tracks)} tracks over {steps} steps, wanted at most {MAX_STATES} states"
        )
    rows = {name: _row(track, steps, ids.allocate(name), name, notes) for name, track in tracks.items()}
    notes.extend(f"track {name}: never valid: left out" for name, row in rows.items() if not row.valid.any())
    return {name: row for name, row in rows.items() if row.valid.any()}


def _row(track: Dictionary, steps: int, identity: int, name: str, notes: list[str]) -> _Row:
    state = track.dictionary("state")
    kind = KINDS.get(str(track.get("type")), "unknown")
    position, velocity = (state.array(key, steps, None) for key in ("position", "velocity"))
    if position.shape[1] < 2 or velocity.shape[1] != 2:
        raise ScenarioError(f"{state.location}: position or velocity has no x and y")
    states = states_from_velocity(position[:, :2], state.array("heading", steps), velocity)
    valid = state.array("valid", steps) > 0 if "valid" in state else np.ones(steps, np.bool_)
    valid = plausible_states(states, valid, f"track {name}", notes)
    return _Row(identity, kind, _size(state, valid, kind, name, notes), states, valid)


def _size(
    state: Dictionary, valid: NDArray[np.bool_], kind: str, name: str, notes: list[str]
) -> tuple[float, float]:
    """Length and width in m: the median over the valid steps, or the default of the kind."""
    columns = [state.numbers(key).reshape(-1) for key in ("length", "width")]
    if valid.any() and all(len(column) == len(valid) for column in columns):
        length, width = (float(np.median(column[valid])) for column in columns)
        if 0 < length <= _MAX_SIZE and 0 < width <= _MAX_SIZE:
            return length, width
    notes.append(f"track {name}: no size given: the default of its kind, {kind}, is used")
    return SIZES[kind]


def _tracks(rows: list[_Row], steps: int) -> Tracks:
    if not rows:
        return empty_tracks(steps)
    ids, kinds, sizes, states, valid = zip(*rows, strict=True)
    return Tracks(ids, kinds, np.array(sizes), np.array(states), np.array(valid))
