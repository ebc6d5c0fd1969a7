"""Read a scenario file of any format, detected by its content."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.scenario_notes import start_overlaps, timing_conflicts
from wm_planner.errors import ScenarioError
from wm_planner.plugins import Registry

READERS = Registry("scenario reader")


class _Format(NamedTuple):
    """A file format: its reader, its description, and whether a file starts like one."""

    reader: str
    description: str
    matches: Callable[[bytes], bool]


def _is_xml(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


FORMATS = (
    _Format("commonroad", "CommonRoad XML", _is_xml),
    _Format("argoverse", "Argoverse 2 parquet", lambda head: head.startswith(b"PAR1")),
    _Format("recording", "a recording (MCAP)", lambda head: head.startswith(b"\x89MCAP0\r\n")),
    _Format("scenarionet", "a ScenarioNet pickle", lambda head: head[:1] == b"\x80"),
)


def read_scenario(path: str | Path) -> Scenario:
    """Read a scenario file of any known format.

    Raises:
        ScenarioError: if the file does not exist, has an unknown format, or is invalid.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror})") from None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ScenarioError(f"{path}: is encoded in UTF-16, wanted UTF-8; convert it")
    for known in FORMATS:
        if known.matches(head):
            scenario: Scenario = READERS.load(known.reader)(path)
            notes = (*start_overlaps(scenario), *timing_conflicts(scenario))
            return replace(scenario, repairs=(*scenario.repairs, *notes))
    raise ScenarioError(
        f"{path}: is not a scenario; wanted {', '.join(known.description for known in FORMATS)}"
    )
