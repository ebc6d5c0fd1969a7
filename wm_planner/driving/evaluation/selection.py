"""Selection of the scenarios to drive: all that can be driven, each benchmark id once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wm_planner import share
from wm_planner.driving.drive import planning_problems
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.errors import ConfigError, ScenarioError, ShapeError, SimulationError
from wm_planner.recording.parts import continues
from wm_planner.simulation.selection import SCENARIO_ROOT

SUFFIXES = (".xml", ".parquet", ".pkl", ".mcap")
"""Suffixes of scenario files; other files in a folder are ignored."""


@dataclass(frozen=True)
class Selection:
    """Selected scenarios.

    Attributes:
        files: the selected files, in order.
        refused: reasons why files cannot be driven, by file.
        duplicates: maps each duplicate to the selected file with the same benchmark id.
        notes: notes of the readers on selected files, by file.
    """

    files: tuple[Path, ...]
    refused: dict[str, str]
    duplicates: dict[str, str]
    notes: dict[str, tuple[str, ...]]


def select(places: Sequence[Path]) -> Selection:
    """Select scenarios from files and folders; of duplicates, the file named after the id, else the first.

    Raises:
        ConfigError: if a path does not exist, or there is no scenario.
    """
    by_id: dict[str, list[Path]] = {}
    refused: dict[str, str] = {}
    repairs: dict[Path, tuple[str, ...]] = {}
    for path in _files(places):
        try:
            scenario = read_scenario(path)
            planning_problems(scenario)
        except (ScenarioError, ShapeError, SimulationError) as error:
            refused[str(path)] = str(error)
        else:
            by_id.setdefault(scenario.id, []).append(path)
            repairs[path] = scenario.repairs
    duplicates: dict[str, str] = {}
    chosen: list[Path] = []
    for scenario_id, paths in by_id.items():
        first, *others = sorted(paths, key=lambda path: path.stem != scenario_id)
        chosen.append(first)
        duplicates |= {str(other): str(first) for other in others}
    notes = {str(path): repairs[path] for path in chosen if repairs[path]}
    return Selection(tuple(chosen), refused, duplicates, notes)


def _files(places: Iterable[Path]) -> list[Path]:
    files = [path for place in places for path in _in(place)]
    if not files:
        wanted = ", ".join(SUFFIXES)
        raise ConfigError(
            f"{', '.join(map(str, places))}: no scenarios found, wanted files with suffix {wanted}"
        )
    return list(dict.fromkeys(files))


def _in(place: Path) -> Iterator[Path]:
    if not place.exists():
        place = share.find(place, SCENARIO_ROOT)
    if place.is_file():
        yield place
    else:
        found = (path for path in sorted(place.rglob("*")) if path.suffix in SUFFIXES)
        yield from (path for path in found if path.suffix != ".mcap" or not continues(path))
