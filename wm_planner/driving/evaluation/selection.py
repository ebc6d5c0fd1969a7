"""Which scenarios of a folder are driven: those that can be, each benchmark id once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wm_planner import share
from wm_planner.driving.drive import planning_problems
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.errors import ConfigError, ScenarioError, ShapeError, SimulationError

SUFFIXES = (".xml", ".parquet", ".pkl", ".mcap")
"""Of files that may hold a scenario; others in a folder are passed over."""


@dataclass(frozen=True)
class Selection:
    """What was found.

    Attributes:
        files: to be driven, in order.
        refused: why the others cannot be, by file.
        duplicates: file to the file that counts for the same benchmark id.
        notes: what the readers say of the files that are driven, where they say something.
    """

    files: tuple[Path, ...]
    refused: dict[str, str]
    duplicates: dict[str, str]
    notes: dict[str, tuple[str, ...]]


def select(places: Sequence[Path]) -> Selection:
    """Scenarios in files and folders. Of one id that file counts whose name it is, else the first.

    Raises:
        ConfigError: if there is no such place, or no file in it.
    """
    of_id: dict[str, list[Path]] = {}
    refused: dict[str, str] = {}
    repairs: dict[Path, tuple[str, ...]] = {}
    for path in _files(places):
        try:
            scenario = read_scenario(path)
            planning_problems(scenario)
        except (ScenarioError, ShapeError, SimulationError) as error:
            refused[str(path)] = str(error)
        else:
            of_id.setdefault(scenario.id, []).append(path)
            repairs[path] = scenario.repairs
    duplicates: dict[str, str] = {}
    chosen: list[Path] = []
    for identity, paths in of_id.items():
        first, *others = sorted(paths, key=lambda path: path.stem != identity)
        chosen.append(first)
        duplicates |= {str(other): str(first) for other in others}
    notes = {str(path): repairs[path] for path in chosen if repairs[path]}
    return Selection(tuple(chosen), refused, duplicates, notes)


def _files(places: Iterable[Path]) -> list[Path]:
    found = [path for place in places for path in _in(place)]
    if not found:
        wanted = ", ".join(SUFFIXES)
        raise ConfigError(f"{', '.join(map(str, places))}: no scenario is there, wanted files in {wanted}")
    return list(dict.fromkeys(found))


def _in(place: Path) -> Iterator[Path]:
    if not place.exists():
        place = share.find(place)
    if place.is_file():
        yield place
    else:
        yield from (path for path in sorted(place.rglob("*")) if path.suffix in SUFFIXES)
