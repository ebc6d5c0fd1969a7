"""One door for all formats of scenarios: what a file is, its content says."""

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
    reader: str
    about: str
    begins: Callable[[bytes], bool]


FORMATS = (
    _Format(
        "commonroad", "CommonRoad XML", lambda head: head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    ),
    _Format("argoverse", "Argoverse 2 parquet", lambda head: head.startswith(b"PAR1")),
    _Format("recording", "a recording (MCAP)", lambda head: head.startswith(b"\x89MCAP0\r\n")),
    _Format("scenarionet", "a ScenarioNet pickle", lambda head: head[:1] == b"\x80"),
)


def read_scenario(path: str | Path) -> Scenario:
    """The scenario in a file of any format that is known.

    Raises:
        ScenarioError: if there is no such file, it is of no known format, or it cannot be read.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror})") from None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ScenarioError(f"{path}: is text in UTF-16, wanted UTF-8; save it so")
    for known in FORMATS:
        if known.begins(head):
            scenario: Scenario = READERS.load(known.reader)(path)
            return replace(
                scenario, repairs=(*scenario.repairs, *start_overlaps(scenario), *timing_conflicts(scenario))
            )
    raise ScenarioError(f"{path}: is no scenario; wanted {', '.join(known.about for known in FORMATS)}")
