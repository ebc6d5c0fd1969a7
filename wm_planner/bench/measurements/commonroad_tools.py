"""Our drives beside CommonRoad's own tools, which run in an environment of their own."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from rich.table import Table

from wm_planner.bench.peer_environment import Peer, PeerProcess, python_of
from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.driving.scenarios.writers.solution import COSTS
from wm_planner.errors import ConfigError
from wm_planner.terminal import table

COMMONROAD = Peer("commonroad-reactive-planner", "2025.1", "commonroad.py")
CHECKS = ("start", "no_collision", "on_road", "goal", "feasible")
TOLERANCE = 1e-6
ENDED = 20  # characters of how a drive ended, in the table


class Tools:
    """CommonRoad's tools; a process that ends, as its triangulation of some roads does, is started again."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._process: PeerProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, function: str, **asked: Any) -> Any:
        """What a function of its program says; None where the process ended over it."""
        if self._process is None:
            self._process = PeerProcess(COMMONROAD, self._python)
        try:
            return self._process.call(function, **asked)
        except ConfigError:
            self._end()
            return None

    def _end(self) -> None:
        if self._process is not None:
            self._process.__exit__(None, None, None)
            self._process = None


class Opinion(NamedTuple):
    """What we and CommonRoad's tools say of one solution file.

    Attributes:
        ours, theirs: conditions by name; theirs None where the tools ended over it.
        differences: by cost function, relative where costs are above 1; None where either has none.
    """

    planner: str
    scenario: str
    ours: Mapping[str, bool]
    theirs: Mapping[str, bool | None]
    differences: Mapping[str, float | None]


class Rival(NamedTuple):
    """A drive of CommonRoad's reactive planner.

    Attributes:
        ended: goal, no plan, too late, time limit, or what it raised.
        valid: whether its own checker calls the drive a solution.
        cycle_s: CPU of each of its plans.
    """

    scenario: str
    ended: str
    valid: bool
    cycle_s: Sequence[float]


def opinions(drives: Iterable[DriveScores], tools: Tools) -> Iterator[Opinion]:
    """Ours and theirs of every solution file, one after the other."""
    by_solution: dict[str, list[DriveScores]] = {}
    for each in drives:
        if each.solution:
            by_solution.setdefault(each.solution, []).append(each)
    for solution, ours in by_solution.items():
        asked = {"scenario": ours[0].file, "solution": solution}
        theirs = {name: _checked(tools, name, asked) for name in CHECKS}
        said = tools.call("costs", names=list(COSTS), **asked) or {}
        yield Opinion(
            ours[0].planner,
            ours[0].scenario,
            {name: all(each.conditions[name] for each in ours) for name in CHECKS},
            theirs,
            {name: _difference(_sum(ours, name), said.get(name, {}).get("total")) for name in COSTS},
        )


def rivals(files: Iterable[str], tools: Tools, limit_s: float) -> Iterator[Rival]:
    """Drives of the reactive planner."""
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(files):
            solution = str(Path(folder) / f"{number}.xml")
            said = tools.call("drive", scenario=file, solution=solution, limit_s=limit_s)
            told = said or {"ended": "its process ended", "cycle_s": []}
            asked = {"scenario": file, "solution": solution}
            reached = told["ended"] == "goal"
            valid = reached and all(_checked(tools, name, asked) for name in CHECKS)
            yield Rival(Path(file).stem, told["ended"], valid, told["cycle_s"])


def opinions_table(found: Sequence[Opinion]) -> Table:
    """How far the two agree, a planner a row."""
    made = table(
        "solution files: valid by CommonRoad's own checker and by ours, verdicts that are alike, verdicts on "
        "which its process ended; costs of all eight functions, the largest difference (wanted: "
        f"{TOLERANCE:g})",
        *("planner", "files", "theirs", "ours", "alike", "untold", "costs off by"),
    )
    for planner in dict.fromkeys(each.planner for each in found):
        rows = [each for each in found if each.planner == planner]
        pairs = [(each.ours[name], each.theirs[name]) for each in rows for name in CHECKS]
        told = [(ours, theirs) for ours, theirs in pairs if theirs is not None]
        off = [d for each in rows for d in each.differences.values() if d is not None]
        made.add_row(
            planner,
            str(len(rows)),
            str(sum(all(each.theirs.values()) for each in rows)),
            str(sum(all(each.ours.values()) for each in rows)),
            f"{sum(ours == theirs for ours, theirs in told)}/{len(told)}",
            str(len(pairs) - len(told)),
            f"{max(off):.1e} ({len(off)})" if off else "-",
        )
    return made


def rivals_table(found: Sequence[Rival]) -> Table:
    """How its drives ended."""
    made = table(
        f"{COMMONROAD.package} {COMMONROAD.version} on the same scenarios",
        *("scenario", "ended", "valid", "plans", "median ms", "p95 ms"),
    )
    made.columns[1].justify = "left"
    for each in found:
        made.add_row(each.scenario, each.ended[:ENDED], "yes" if each.valid else "no", *_cycles(each.cycle_s))
    every = [spent for each in found for spent in each.cycle_s]
    reached = sum(each.ended == "goal" for each in found)
    valid = sum(each.valid for each in found)
    made.add_row("all", f"{reached}/{len(found)} goal", f"{valid}/{len(found)}", *_cycles(every))
    return made


def disagreements(found: Iterable[Opinion]) -> Iterator[str]:
    """One line for each verdict or cost that differs."""
    for each in found:
        for name in CHECKS:
            ours, theirs = each.ours[name], each.theirs[name]
            if theirs is not None and theirs != ours:
                yield f"{each.planner}, {each.scenario}: {name} is {theirs}, ours {ours}"
        for name, off in each.differences.items():
            if off is not None and off > TOLERANCE:
                yield f"{each.planner}, {each.scenario}: {name} differs by {off:.1e}"


def ready() -> Path:
    """The Python of the tools; the environment is made unless it is there.

    Raises:
        ConfigError: if it cannot be installed.
    """
    return python_of(COMMONROAD)


def _checked(tools: Tools, name: str, asked: Mapping[str, str]) -> bool | None:
    said = tools.call("check", names=[name], **asked)
    return None if said is None else bool(said[name])


def _sum(drives: Sequence[DriveScores], cost: str) -> float | None:
    found = [each.commonroad.get(cost) for each in drives]
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None


def _difference(ours: float | None, theirs: float | None) -> float | None:
    if ours is None or theirs is None:
        return None
    return abs(ours - theirs) / max(abs(theirs), 1.0)


def _cycles(seconds: Sequence[float]) -> tuple[str, str, str]:
    if not len(seconds):
        return "0", "-", "-"
    median, p95 = 1000 * np.percentile(seconds, [50, 95])
    return str(len(seconds)), f"{median:.0f}", f"{p95:.0f}"
