"""Read Argoverse 2 motion forecasting: `scenario_<id>.parquet` and, next to it, `log_map_archive_<id>.json`.

The format has no sizes, so boxes have the defaults of `recorded.SIZES`. The ego is the track "AV". There are
no traffic lights and no speed limits.

Source: the data schema of av2-api.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyarrow import ArrowException, parquet

from wm_planner.driving.scenarios.readers.argoverse_road import read_road
from wm_planner.driving.scenarios.readers.recorded import (
    SIZES,
    IdAllocator,
    constant_time_step,
    plausible_states,
    problem_from_recording,
    states_from_velocity,
)
from wm_planner.driving.scenarios.scenario import Origin, Scenario
from wm_planner.driving.scenarios.tracks import Tracks
from wm_planner.errors import ScenarioError, ShapeError

EGO = "AV"

KINDS = {
    "vehicle": "car",
    "bus": "bus",
    "motorcyclist": "motorcycle",
    "cyclist": "bicycle",
    "pedestrian": "pedestrian",
}
"""Kinds by object type; other types are "unknown"."""

MAX_ROWS = 5_000_000

_NUMBERS = ("position_x", "position_y", "heading", "velocity_x", "velocity_y")
_TEXTS = ("track_id", "object_type", "scenario_id", "city")
_TIMES = ("timestep", "start_timestamp", "end_timestamp", "num_timestamps")


def read_argoverse(path: Path) -> Scenario:
    """Read a scenario from a parquet file and the map file next to it.

    Raises:
        ScenarioError: if either file is missing or invalid.
    """
    columns = _columns(path)
    notes: list[str] = []
    ids = IdAllocator()
    name, steps = str(columns["scenario_id"][0]), int(columns["num_timestamps"][0])
    span_s = float(columns["end_timestamp"][0] - columns["start_timestamp"][0]) * 1e-9
    try:
        tracks, ego = _tracks(columns, steps, ids, notes)
        return Scenario(
            id=name,
            dt=constant_time_step(np.linspace(0.0, span_s, steps), str(path)),
            road=read_road(path.with_name(f"log_map_archive_{name}.json"), ids, notes),
            tracks=tracks,
            problems=() if ego is None else (problem_from_recording(ego, ids.allocate("problem"), notes),),
            ego=ego,
            origin=Origin(source=f"Argoverse 2, {columns['city'][0]}"),
            repairs=tuple(notes),
        )
    except ShapeError as error:
        raise ScenarioError(f"{path}: cannot be used: {error}") from None


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    """The required columns by name: numbers as float64, times as int64, texts as str."""
    try:
        with parquet.ParquetFile(path) as file:
            missing = sorted({*_NUMBERS, *_TIMES, *_TEXTS} - set(file.schema_arrow.names))
            if missing:
                raise ScenarioError(
                    f"{path}: has no columns {missing}; it has {file.schema_arrow.names[:30]}"
                )
            if not 0 < file.metadata.num_rows <= MAX_ROWS:
                raise ScenarioError(f"{path}: has {file.metadata.num_rows} rows, wanted 1 to {MAX_ROWS}")
            table = file.read(columns=[*_NUMBERS, *_TIMES, *_TEXTS])
        numbers = {name: table[name].to_numpy().astype(np.float64) for name in _NUMBERS}
        times = {name: table[name].to_numpy().astype(np.int64) for name in _TIMES}
        texts = {name: np.array(list(map(str, table[name].to_pylist()))) for name in _TEXTS}
    except (ArrowException, OSError, ValueError, TypeError) as error:
        raise ScenarioError(f"{path}: not a readable Argoverse scenario ({error})") from None
    columns = numbers | times | texts
    steps = int(columns["num_timestamps"][0])
    if (
        not 2 <= steps <= 100_000
        or not (columns["timestep"] >= 0).all()
        or not (columns["timestep"] < steps).all()
    ):
        raise ScenarioError(f"{path}: has {steps} time stamps and a timestep outside of them")
    return columns


def _tracks(
    columns: dict[str, NDArray[Any]], steps: int, ids: IdAllocator, notes: list[str]
) -> tuple[Tracks, Tracks | None]:
    """The tracks of the agents, and that of the ego."""
    names, row_of = np.unique(columns["track_id"], return_inverse=True)
    if len(names) * steps > MAX_ROWS:
        raise ScenarioError(f"{len(names)} tracks over {steps} steps, wanted at most {MAX_ROWS} states")
    valid = np.zeros((len(names), steps), np.bool_)
    states = np.full((*valid.shape, 4), np.nan)
    velocity = np.stack([columns["velocity_x"], columns["velocity_y"]], axis=-1)
    position = np.stack([columns["position_x"], columns["position_y"]], axis=-1)
    rows = states_from_velocity(position, columns["heading"], velocity)
    at = row_of, columns["timestep"]
    states[at], valid[at] = rows, True
    if valid.sum() < len(rows):
        notes.append(f"{len(rows) - valid.sum()} duplicate states: the last ones are used")
    valid = np.array(
        [plausible_states(s, v, f"track {n}", notes) for n, s, v in zip(names, states, valid, strict=True)]
    )
    notes.append("the format has no sizes: boxes have the default size of their kind")
    first_row = dict(zip(row_of[::-1], range(len(rows))[::-1], strict=True))
    kinds = [KINDS.get(str(columns["object_type"][first_row[row]]), "unknown") for row in range(len(names))]

    def select(mask: NDArray[np.bool_]) -> Tracks:
        selected = np.flatnonzero(mask & valid.any(axis=1))
        sizes = np.array([SIZES[kinds[row]] for row in selected]).reshape(-1, 2)
        track_ids = tuple(ids.allocate(names[row]) for row in selected)
        return Tracks(
            track_ids, tuple(kinds[row] for row in selected), sizes, states[selected], valid[selected]
        )

    ego = select(names == EGO)
    if not ego.ids:
        notes.append(f"no track of the ego ('{EGO}'): there is no planning problem")
    return select(names != EGO), ego if ego.ids else None
