"""Argoverse 2 motion forecasting: `scenario_<id>.parquet`, and beside it `log_map_archive_<id>.json`.

The format gives no sizes: boxes are those of `recorded.SIZES`. The ego is the track "AV". There are no
lights and no limits of speed.

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
"""What is none of these is "unknown"."""

MAX_ROWS = 5_000_000

_NUMBERS = ("position_x", "position_y", "heading", "velocity_x", "velocity_y")
_WORDS = ("track_id", "object_type", "scenario_id", "city")
_TIMES = ("timestep", "start_timestamp", "end_timestamp", "num_timestamps")


def read_argoverse(path: Path) -> Scenario:
    """The scenario in a parquet file, with the road of the map file beside it.

    Raises:
        ScenarioError: if either is missing or not of the format.
    """
    columns = _columns(path)
    notes: list[str] = []
    number = IdAllocator()
    name, steps = str(columns["scenario_id"][0]), int(columns["num_timestamps"][0])
    span_s = float(columns["end_timestamp"][0] - columns["start_timestamp"][0]) * 1e-9
    try:
        tracks, ego = _tracks(columns, steps, number, notes)
        return Scenario(
            id=name,
            dt=constant_time_step(np.linspace(0.0, span_s, steps), str(path)),
            road=read_road(path.with_name(f"log_map_archive_{name}.json"), number, notes),
            tracks=tracks,
            problems=() if ego is None else (problem_from_recording(ego, number("problem"), notes),),
            ego=ego,
            origin=Origin(source=f"Argoverse 2, {columns['city'][0]}"),
            repairs=tuple(notes),
        )
    except ShapeError as error:
        raise ScenarioError(f"{path}: cannot be used: {error}") from None


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    """The columns that are read, by name: numbers as float64 (or int64 for time), words as text."""
    try:
        with parquet.ParquetFile(path) as file:
            missing = sorted({*_NUMBERS, *_TIMES, *_WORDS} - set(file.schema_arrow.names))
            if missing:
                raise ScenarioError(
                    f"{path}: has no columns {missing}; it has {file.schema_arrow.names[:30]}"
                )
            if not 0 < file.metadata.num_rows <= MAX_ROWS:
                raise ScenarioError(f"{path}: has {file.metadata.num_rows} rows, wanted 1 to {MAX_ROWS}")
            table = file.read(columns=[*_NUMBERS, *_TIMES, *_WORDS])
        numbers = {name: table[name].to_numpy().astype(np.float64) for name in _NUMBERS}
        times = {name: table[name].to_numpy().astype(np.int64) for name in _TIMES}
        words = {name: np.array(list(map(str, table[name].to_pylist()))) for name in _WORDS}
    except (ArrowException, OSError, ValueError, TypeError) as error:
        raise ScenarioError(f"{path}: no readable Argoverse scenario ({error})") from None
    columns = numbers | times | words
    steps = int(columns["num_timestamps"][0])
    if (
        not 2 <= steps <= 100_000
        or not (columns["timestep"] >= 0).all()
        or not (columns["timestep"] < steps).all()
    ):
        raise ScenarioError(f"{path}: has {steps} time stamps and a timestep that is none of them")
    return columns


def _tracks(
    columns: dict[str, NDArray[Any]], steps: int, number: IdAllocator, notes: list[str]
) -> tuple[Tracks, Tracks | None]:
    """The others, and the ego's drive."""
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
        notes.append(f"{len(rows) - valid.sum()} states said twice: the last counts")
    valid = np.array(
        [plausible_states(s, v, f"track {n}", notes) for n, s, v in zip(names, states, valid, strict=True)]
    )
    notes.append("the format has no sizes: boxes are those of their kinds")
    first_row = dict(zip(row_of[::-1], range(len(rows))[::-1], strict=True))
    kinds = [KINDS.get(str(columns["object_type"][first_row[row]]), "unknown") for row in range(len(names))]

    def chosen(keep: NDArray[np.bool_]) -> Tracks:
        those = np.flatnonzero(keep & valid.any(axis=1))
        sizes = np.array([SIZES[kinds[row]] for row in those]).reshape(-1, 2)
        ids = tuple(number(names[row]) for row in those)
        return Tracks(ids, tuple(kinds[row] for row in those), sizes, states[those], valid[those])

    ego = chosen(names == EGO)
    if not ego.ids:
        notes.append(f"no track of the ego ('{EGO}'): nothing to plan")
    return chosen(names != EGO), ego if ego.ids else None
