"""Tables of driving scores that compare planners over a set of scenarios."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from rich.table import Table

from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.evaluation.statistics import Mean, mean
from wm_planner.terminal import table

_WHOLE_MS = 100.0  # times above are printed without decimals
_TOLERANCE = 1.0  # points below the baseline's score that still count as equal

BASELINE = "pdm_closed"
"""The planner that others are compared with: the best rule-based one."""

Scores: TypeAlias = Sequence[DriveScores]

AGENTS = {"replay": "log", "idm": "react"}
"""Labels of the kinds of agents: log replay and reactive."""
SUBSCORES = {
    "no_at_fault_collisions": "NC",
    "drivable_area": "DAC",
    "driving_direction": "DDC",
    "making_progress": "MP",
    "progress": "EP",
    "time_to_collision": "TTC",
    "speed_limit": "SL",
    "comfort": "C",
}
"""nuPlan's subscores and their column headings."""


def drives_table(scores: Scores) -> Table:
    """nuPlan's score of each drive, one column per planner."""
    planners = list(dict.fromkeys(each.planner for each in scores))
    result = table(
        "nuPlan's closed-loop score per drive; c collision (at fault or not), r left the road, g goal not "
        "reached, ! planner error; agents are replayed (log) or reactive (react)",
        *("scenario", "agents", *(planner.replace("_", "\n") for planner in planners)),
    )
    result.columns[1].justify = "left"
    rows: dict[tuple[str, int, str], dict[str, DriveScores]] = {}
    for each in sorted(scores, key=lambda each: (each.scenario, each.file, each.problem)):
        rows.setdefault((each.scenario, each.problem, each.agents), {})[each.planner] = each
    before = ""
    for (_, _, agents), row in rows.items():
        name = _name(next(iter(row.values())))
        cells = [_cell(row.get(planner)) for planner in planners]
        result.add_row("" if name == before else name, AGENTS.get(agents, agents), *cells)
        before = name
    return result


def scores_table(title: str, scores: Scores) -> Table:
    """Mean scores with their confidence intervals."""
    result = table(
        f"{title}; means over n drives in % with 95 % bootstrap intervals; EC is EPDMS' extended comfort",
        *("planner", "agents", "n", "nuPlan", "PDMS", "EPDMS", "EC"),
    )
    result.columns[1].justify = "left"
    for planner, agents, drives in _groups(scores):
        extended = [each.epdms["extended_comfort"] for each in drives if "extended_comfort" in each.epdms]
        result.add_row(
            planner,
            AGENTS.get(agents, agents),
            str(len(drives)),
            _interval(mean(_scores(drives, "nuplan"))),
            _interval(mean(_scores(drives, "pdms"))),
            _interval(mean(_scores(drives, "epdms"))),
            f"{100 * np.mean(extended):.0f}" if extended else "-",
        )
    return result


def outcomes_table(scores: Scores) -> Table:
    """Outcome rates and planning times."""
    result = table(
        "drives with: goal reached, collision, collision at fault, road left, valid CommonRoad solution; "
        "planning time in ms: median and p95 of CPU time, p95 of wall time",
        *("planner", "agents", "goal", "coll.", "fault", "off", "valid", "median", "p95", "wall"),
    )
    result.columns[1].justify = "left"
    for planner, agents, drives in _groups(scores):
        cpu, wall = (
            np.concatenate([[0.0], *(getattr(each, name) for each in drives)])[1:]
            for name in ("plan_cpu_s", "plan_wall_s")
        )
        checked = [each for each in drives if each.valid is not None]
        result.add_row(
            planner,
            AGENTS.get(agents, agents),
            _count(each.reached for each in drives),
            _count(each.collided for each in drives),
            _count(each.nuplan.get("no_at_fault_collisions", 1.0) < 1 for each in drives),
            _count(each.off_road for each in drives),
            _count(bool(each.valid) for each in checked) if checked else "-",
            *(_ms(cpu, 50), _ms(cpu, 95), _ms(wall, 95)),
        )
    return result


def baseline_table(scores: Scores) -> Table | None:
    """Each planner compared with BASELINE in the same drives; None without the baseline."""
    drives = {(each.planner, each.agents, each.file, each.problem): each for each in scores}
    pairs = [
        (each, base)
        for each in scores
        if each.planner != BASELINE
        and (base := drives.get((BASELINE, each.agents, each.file, each.problem))) is not None
    ]
    if not pairs:
        return None
    result = table(
        f"nuPlan's score minus that of {BASELINE} in the same drive: mean with 95 % bootstrap interval, "
        f"minimum, and drives that are more than {_TOLERANCE:g} point worse",
        *("planner", "agents", "mean", "minimum", f"below -{_TOLERANCE:g}"),
    )
    result.columns[1].justify = "left"
    for planner, agents, own in _groups([each for each, _ in pairs]):
        chosen = {id(each) for each in own}
        differences = [_points(each) - _points(base) for each, base in pairs if id(each) in chosen]
        average = mean(differences)
        interval = "" if math.isnan(average.low) else f" [{average.low:+.1f},{average.high:+.1f}]"
        cells = (
            f"{average.value:+.1f}{interval}",
            f"{min(differences):+.1f}",
            _count(difference < -_TOLERANCE for difference in differences),
        )
        result.add_row(planner, AGENTS.get(agents, agents), *cells)
    return result


def subscores_table(scores: Scores) -> Table:
    """The eight subscores of nuPlan's score."""
    headings = ", ".join(f"{heading} {name.replace('_', ' ')}" for name, heading in SUBSCORES.items())
    result = table(
        f"subscores of nuPlan's score, means in %: {headings}", "planner", "agents", *SUBSCORES.values()
    )
    result.columns[1].justify = "left"
    for planner, agents, drives in _groups(scores):
        cells = [_percent([each.nuplan[name] for each in drives if each.nuplan]) for name in SUBSCORES]
        result.add_row(planner, AGENTS.get(agents, agents), *cells)
    return result


def costs_table(scores: Scores) -> Table | None:
    """Median CommonRoad costs of valid drives among replayed agents; None without such drives."""
    valid = [each for each in scores if each.agents == "replay" and each.valid and each.commonroad]
    if not valid:
        return None
    names = list(valid[0].commonroad)
    result = table("CommonRoad's costs, medians over n valid drives", *("planner", "n", *names))
    for planner, _, drives in _groups(valid):
        columns = ([c for each in drives if (c := each.commonroad[name]) is not None] for name in names)
        cells = [f"{np.median(column):.3g}" if column else "-" for column in columns]
        result.add_row(planner, str(len(drives)), *cells)
    return result


def tables(scores: Scores) -> Iterator[Table | str]:
    """All tables; mean scores also over the drives in which other vehicles move."""
    moving = [each for each in scores if each.moving]
    yield drives_table(scores)
    yield scores_table("all drives", scores)
    if len(moving) == len(scores):
        yield "other vehicles move in all of these drives\n"
    elif moving:
        yield scores_table("drives in which other vehicles move", moving)
    if comparison := baseline_table(scores):
        yield comparison
    yield outcomes_table(scores)
    yield subscores_table(scores)
    if costs := costs_table(scores):
        yield costs
    yield from errors(scores)
    yield expert_note(scores)


def errors(scores: Scores) -> Iterator[str]:
    """One line per drive that ended with an error of the planner."""
    for each in scores:
        if each.error:
            agents = AGENTS.get(each.agents, each.agents)
            yield f"error: {each.planner} in {_name(each)}, agents {agents}: {each.error}"


def expert_note(scores: Scores) -> str:
    """A sentence on the reference of the progress scores."""
    idm = sum(each.expert == "idm" for each in scores)
    filtered = sum(each.human_filter for each in scores)
    return (
        f"progress is relative to the recorded ego in {len(scores) - idm} drives and to IDM on an empty road "
        f"at the speed limit in {idm}; NAVSIM's human filter applies to {filtered}"
    )


def by_file(drives: Scores) -> str:
    """One line on the drives in a scenario, with its name and labels as in the tables."""
    scores = (
        f"{each.planner} {AGENTS.get(each.agents, each.agents)} {_cell(each).strip()}" for each in drives
    )
    return f"{drives[0].scenario}: {', '.join(scores)}"


def _name(each: DriveScores) -> str:
    """Name of a scenario and problem."""
    return f"{each.scenario}#{each.problem}" if each.problem else each.scenario


def _groups(scores: Scores) -> Iterable[tuple[str, str, list[DriveScores]]]:
    groups: dict[tuple[str, str], list[DriveScores]] = {}
    for agents in AGENTS:
        for each in scores:
            if each.agents == agents:
                groups.setdefault((each.planner, agents), []).append(each)
    return [(planner, agents, drives) for (planner, agents), drives in groups.items()]


def _scores(drives: Scores, family: str) -> list[float]:
    """Scores in %; a drive that ended with an error counts as 0, one without this score is left out."""
    scored = [each for each in drives if getattr(each, family) or each.error]
    return [100 * getattr(each, family).get("score", 0.0) for each in scored]


def _points(each: DriveScores) -> float:
    return 100 * each.nuplan.get("score", 0.0)


def _cell(each: DriveScores | None) -> str:
    if each is None:
        return "-"
    if each.error:
        return "0.0 ! "
    marks = ("c" if each.collided else "") + ("r" if each.off_road else "") + ("" if each.reached else "g")
    return f"{100 * each.nuplan['score']:.1f} {marks:2s}"


def _interval(average: Mean) -> str:
    if math.isnan(average.value):
        return "-"
    interval = "" if math.isnan(average.low) else f" [{average.low:.0f},{average.high:.0f}]"
    return f"{average.value:.1f}{interval}"


def _percent(values: Sequence[float]) -> str:
    return f"{100 * np.mean(values):.1f}".removesuffix(".0") if values else "-"


def _count(flags: Iterable[bool]) -> str:
    values = list(flags)
    return f"{sum(values)}/{len(values)}"


def _ms(seconds: np.ndarray, percentile: int) -> str:
    if not len(seconds):
        return "-"
    time_ms = 1000 * float(np.percentile(seconds, percentile))
    return f"{time_ms:.1f}" if time_ms < _WHOLE_MS else f"{time_ms:.0f}"
