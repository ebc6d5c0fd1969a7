"""Comparison of our drives with CommonRoad's own tools, which run in their own environment."""

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
_MAX_ENDED = 20  # characters of a drive's ending in the table


class CommonRoadTools:
    """CommonRoad's tools in a process, which restarts after a crash: triangulating some roads crashes it."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._process: PeerProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function of its program; None if the process crashed."""
        if self._process is None:
            self._process = PeerProcess(COMMONROAD, self._python)
        try:
            return self._process.call(function, **arguments)
        except ConfigError:
            self._end()
            return None

    def _end(self) -> None:
        if self._process is not None:
            self._process.__exit__(None, None, None)
            self._process = None


class SolutionComparison(NamedTuple):
    """Our validity and costs of one solution file, compared with those of CommonRoad's tools.

    Attributes:
        planner, scenario: of the solution.
        ours, theirs: conditions by name; theirs is None where the tools crashed.
        differences: by cost function, relative for costs above 1; None where either has no cost.
    """

    planner: str
    scenario: str
    ours: Mapping[str, bool]
    theirs: Mapping[str, bool | None]
    differences: Mapping[str, float | None]


class ReactiveDrive(NamedTuple):
    """A drive of CommonRoad's reactive planner.

    Attributes:
        scenario: name of the scenario.
        ended: goal, no plan, too late, time limit, or an error.
        valid: whether CommonRoad's checker accepts the drive as a solution.
        cycle_s: CPU time of each of its plans.
    """

    scenario: str
    ended: str
    valid: bool
    cycle_s: Sequence[float]


def compare_solutions(drives: Iterable[DriveScores], tools: CommonRoadTools) -> Iterator[SolutionComparison]:
    """Compare every solution file, one after the other."""
    by_solution: dict[str, list[DriveScores]] = {}
    for each in drives:
        if each.solution:
            by_solution.setdefault(each.solution, []).append(each)
    for solution, ours in by_solution.items():
        paths = {"scenario": ours[0].file, "solution": solution}
        theirs = {name: _check(tools, name, paths) for name in CHECKS}
        costs = tools.call("costs", names=list(COSTS), **paths) or {}
        yield SolutionComparison(
            ours[0].planner,
            ours[0].scenario,
            {name: all(each.conditions[name] for each in ours) for name in CHECKS},
            theirs,
            {name: _difference(_sum(ours, name), costs.get(name, {}).get("total")) for name in COSTS},
        )


def reactive_drives(files: Iterable[str], tools: CommonRoadTools, limit_s: float) -> Iterator[ReactiveDrive]:
    """Drives of the reactive planner."""
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(files):
            solution = str(Path(folder) / f"{number}.xml")
            paths = {"scenario": file, "solution": solution}
            result = tools.call("drive", **paths, limit_s=limit_s)
            result = result or {"ended": "process crashed", "cycle_s": []}
            reached = result["ended"] == "goal"
            valid = reached and all(_check(tools, name, paths) for name in CHECKS)
            yield ReactiveDrive(Path(file).stem, result["ended"], valid, result["cycle_s"])


def comparison_table(comparisons: Sequence[SolutionComparison]) -> Table:
    """Agreement with CommonRoad's tools, one row per planner."""
    result = table(
        "solution files that are valid by CommonRoad's checker and by ours, checks that agree, checks that "
        "crashed; largest difference in the costs of all eight functions (expected: at most "
        f"{TOLERANCE:g})",
        *("planner", "files", "theirs", "ours", "agree", "crashed", "cost difference"),
    )
    for planner in dict.fromkeys(each.planner for each in comparisons):
        rows = [each for each in comparisons if each.planner == planner]
        pairs = [(each.ours[name], each.theirs[name]) for each in rows for name in CHECKS]
        checked = [(ours, theirs) for ours, theirs in pairs if theirs is not None]
        differences = [d for each in rows for d in each.differences.values() if d is not None]
        result.add_row(
            planner,
            str(len(rows)),
            str(sum(all(each.theirs.values()) for each in rows)),
            str(sum(all(each.ours.values()) for each in rows)),
            f"{sum(ours == theirs for ours, theirs in checked)}/{len(checked)}",
            str(len(pairs) - len(checked)),
            f"{max(differences):.1e} ({len(differences)})" if differences else "-",
        )
    return result


def reactive_drives_table(drives: Sequence[ReactiveDrive]) -> Table:
    """How the drives of the reactive planner ended."""
    result = table(
        f"{COMMONROAD.package} {COMMONROAD.version} on the same scenarios",
        *("scenario", "ended", "valid", "plans", "median ms", "p95 ms"),
    )
    result.columns[1].justify = "left"
    for each in drives:
        result.add_row(
            each.scenario, each.ended[:_MAX_ENDED], "yes" if each.valid else "no", *_cycles(each.cycle_s)
        )
    cycles = [seconds for each in drives for seconds in each.cycle_s]
    reached = sum(each.ended == "goal" for each in drives)
    valid = sum(each.valid for each in drives)
    result.add_row("all", f"{reached}/{len(drives)} goal", f"{valid}/{len(drives)}", *_cycles(cycles))
    return result


def disagreements(comparisons: Iterable[SolutionComparison]) -> Iterator[str]:
    """One line per condition or cost that differs."""
    for each in comparisons:
        for name in CHECKS:
            ours, theirs = each.ours[name], each.theirs[name]
            if theirs is not None and theirs != ours:
                yield f"{each.planner}, {each.scenario}: {name} is {theirs}, ours {ours}"
        for name, difference in each.differences.items():
            if difference is not None and difference > TOLERANCE:
                yield f"{each.planner}, {each.scenario}: {name} differs by {difference:.1e}"


def tools_python() -> Path:
    """The Python of the tools' environment, which is created if necessary.

    Raises:
        ConfigError: if the tools cannot be installed.
    """
    return python_of(COMMONROAD)


def _check(tools: CommonRoadTools, name: str, paths: Mapping[str, str]) -> bool | None:
    conditions = tools.call("check", names=[name], **paths)
    return None if conditions is None else bool(conditions[name])


def _sum(drives: Sequence[DriveScores], cost: str) -> float | None:
    costs = [each.commonroad.get(cost) for each in drives]
    known = [value for value in costs if value is not None]
    return sum(known) if len(known) == len(costs) else None


def _difference(ours: float | None, theirs: float | None) -> float | None:
    if ours is None or theirs is None:
        return None
    return abs(ours - theirs) / max(abs(theirs), 1.0)


def _cycles(seconds: Sequence[float]) -> tuple[str, str, str]:
    if not len(seconds):
        return "0", "-", "-"
    median, p95 = 1000 * np.percentile(seconds, [50, 95])
    return str(len(seconds)), f"{median:.0f}", f"{p95:.0f}"
