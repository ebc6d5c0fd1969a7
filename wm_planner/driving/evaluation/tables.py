"""Scores of a set of scenarios as tables, planners side by side."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from rich.table import Table

from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.evaluation.statistics import Mean, mean
from wm_planner.terminal import table

_WHOLE_MS = 100.0  # from which on tenths say nothing
_LESS = 1.0  # points of a score, which are no matter

BASELINE = "pdm_closed"
"""The planner that others are compared with: the best one of rules."""

Scores: TypeAlias = Sequence[DriveScores]

AGENTS = {"replay": "log", "idm": "react"}
"""How the others drive: as recorded, or they react."""
PARTS = {
    "no_at_fault_collisions": "fault",
    "drivable_area": "road",
    "driving_direction": "way",
    "making_progress": "moves",
    "progress": "prog",
    "time_to_collision": "ttc",
    "speed_limit": "limit",
    "comfort": "comf",
}
"""nuPlan's eight, and their heads."""


def drives_table(scores: Scores) -> Table:
    """nuPlan's score of each drive, a planner a column."""
    planners = list(dict.fromkeys(each.planner for each in scores))
    made = table(
        "nuPlan's closed-loop score of each drive; c collided (whoever is to blame), r left the road, "
        "g goal not reached, ! raised; others drive as recorded (log) or react",
        *("scenario", "others", *(planner.replace("_", "\n") for planner in planners)),
    )
    made.columns[1].justify = "left"
    rows: dict[tuple[str, int, str], dict[str, DriveScores]] = {}
    for each in sorted(scores, key=lambda each: (each.scenario, each.file, each.problem)):
        rows.setdefault((each.scenario, each.problem, each.agents), {})[each.planner] = each
    before = ""
    for (_, _, agents), row in rows.items():
        name = _name(next(iter(row.values())))
        cells = [_cell(row.get(planner)) for planner in planners]
        made.add_row("" if name == before else name, AGENTS.get(agents, agents), *cells)
        before = name
    return made


def scores_table(title: str, scores: Scores) -> Table:
    """Means with their intervals."""
    made = table(
        f"{title}; n drives, means in %, in brackets the 95 % bootstrap interval; EC is EPDMS' extended "
        "comfort",
        *("planner", "others", "n", "nuPlan", "PDMS", "EPDMS", "EC"),
    )
    made.columns[1].justify = "left"
    for planner, agents, drives in _groups(scores):
        extended = [each.epdms["extended_comfort"] for each in drives if "extended_comfort" in each.epdms]
        made.add_row(
            planner,
            AGENTS.get(agents, agents),
            str(len(drives)),
            _interval(mean(_scores(drives, "nuplan"))),
            _interval(mean(_scores(drives, "pdms"))),
            _interval(mean(_scores(drives, "epdms"))),
            f"{100 * np.mean(extended):.0f}" if extended else "-",
        )
    return made


def outcomes_table(scores: Scores) -> Table:
    """What happened, how often, and how long planning took."""
    made = table(
        "of the drives: goal reached, touched anything, at fault, left the road, valid by CommonRoad's "
        "conditions; time of a plan in ms: median, p95 (CPU), p95 (wall)",
        *("planner", "others", "goal", "touch", "fault", "off", "valid", "median", "p95", "wall"),
    )
    made.columns[1].justify = "left"
    for planner, agents, drives in _groups(scores):
        cpu, wall = (
            np.concatenate([[0.0], *(getattr(each, name) for each in drives)])[1:]
            for name in ("plan_cpu_s", "plan_wall_s")
        )
        told = [each for each in drives if each.valid is not None]
        made.add_row(
            planner,
            AGENTS.get(agents, agents),
            _count(each.reached for each in drives),
            _count(each.collided for each in drives),
            _count(each.nuplan.get("no_at_fault_collisions", 1.0) < 1 for each in drives),
            _count(each.off_road for each in drives),
            _count(bool(each.valid) for each in told) if told else "-",
            *(_ms(cpu, 50), _ms(cpu, 95), _ms(wall, 95)),
        )
    return made


def beside_table(scores: Scores) -> Table | None:
    """Each planner beside BASELINE, drive by drive; None without it."""
    drives = {(each.planner, each.agents, each.file, each.problem): each for each in scores}
    pairs = [
        (each, base)
        for each in scores
        if each.planner != BASELINE
        and (base := drives.get((BASELINE, each.agents, each.file, each.problem))) is not None
    ]
    if not pairs:
        return None
    made = table(
        f"nuPlan's score less that of {BASELINE} in the same drive: mean with the 95 % bootstrap interval, "
        f"the least, and in how many drives it is more than {_LESS:g} point less",
        *("planner", "others", "mean", "least", f"below -{_LESS:g}"),
    )
    made.columns[1].justify = "left"
    for planner, agents, own in _groups([each for each, _ in pairs]):
        chosen = {id(each) for each in own}
        more = [_points(each) - _points(base) for each, base in pairs if id(each) in chosen]
        found = mean(more)
        interval = "" if math.isnan(found.low) else f" [{found.low:+.1f},{found.high:+.1f}]"
        below = _count(each < -_LESS for each in more)
        made.add_row(
            planner, AGENTS.get(agents, agents), f"{found.value:+.1f}{interval}", f"{min(more):+.1f}", below
        )
    return made


def parts_table(scores: Scores) -> Table:
    """The eight parts of nuPlan's score."""
    heads = ", ".join(f"{head} {part.replace('_', ' ')}" for part, head in PARTS.items())
    made = table(f"parts of nuPlan's score, means in %: {heads}", "planner", "others", *PARTS.values())
    made.columns[1].justify = "left"
    for planner, agents, drives in _groups(scores):
        cells = [_percent([each.nuplan[part] for each in drives if each.nuplan]) for part in PARTS]
        made.add_row(planner, AGENTS.get(agents, agents), *cells)
    return made


def costs_table(scores: Scores) -> Table | None:
    """Medians of CommonRoad's costs of the valid drives among replayed others; None where there are none."""
    solved = [each for each in scores if each.agents == "replay" and each.valid and each.commonroad]
    if not solved:
        return None
    names = list(solved[0].commonroad)
    made = table("CommonRoad's costs, medians of n valid drives", *("planner", "n", *names))
    for planner, _, drives in _groups(solved):
        columns = ([c for each in drives if (c := each.commonroad[name]) is not None] for name in names)
        cells = [f"{np.median(column):.3g}" if column else "-" for column in columns]
        made.add_row(planner, str(len(drives)), *cells)
    return made


def tables(scores: Scores) -> Iterator[Table | str]:
    """All of them: also of the drives alone in which other vehicles move."""
    moving = [each for each in scores if each.moving]
    yield drives_table(scores)
    yield scores_table("all drives", scores)
    if len(moving) == len(scores):
        yield "other vehicles move in all of these drives\n"
    elif moving:
        yield scores_table("drives in which other vehicles move", moving)
    if beside := beside_table(scores):
        yield beside
    yield outcomes_table(scores)
    yield parts_table(scores)
    if costs := costs_table(scores):
        yield costs
    yield from raised(scores)
    yield measure_of_progress(scores)


def raised(scores: Scores) -> Iterator[str]:
    """One line for each drive that a planner ended by what it raised."""
    for each in scores:
        if each.error:
            others = AGENTS.get(each.agents, each.agents)
            yield f"raised: {each.planner} in {_name(each)}, others {others}: {each.error}"


def measure_of_progress(scores: Scores) -> str:
    """Whose progress was wanted, in a sentence."""
    alone = sum(each.expert == "idm" for each in scores)
    filtered = sum(each.human_filter for each in scores)
    return (
        f"the progress that is wanted is that of the recorded ego in {len(scores) - alone} drives, of IDM "
        f"alone on the empty road at the limit in {alone}; NAVSIM's human filter is on in {filtered}"
    )


def by_file(drives: Scores) -> str:
    """One line for a scenario that was driven, under the name that it has in the tables."""
    scores = (
        f"{each.planner} {AGENTS.get(each.agents, each.agents)} {_cell(each).strip()}" for each in drives
    )
    return f"{drives[0].scenario}: {', '.join(scores)}"


def _name(each: DriveScores) -> str:
    """Of what was driven, in all that is shown."""
    return f"{each.scenario}#{each.problem}" if each.problem else each.scenario


def _groups(scores: Scores) -> Iterable[tuple[str, str, list[DriveScores]]]:
    found: dict[tuple[str, str], list[DriveScores]] = {}
    for agents in AGENTS:
        for each in scores:
            if each.agents == agents:
                found.setdefault((each.planner, agents), []).append(each)
    return [(planner, agents, drives) for (planner, agents), drives in found.items()]


def _scores(drives: Scores, family: str) -> list[float]:
    """Scores in %; a drive that ended with an error counts as 0, one that was not judged not at all."""
    judged = [each for each in drives if getattr(each, family) or each.error]
    return [100 * getattr(each, family).get("score", 0.0) for each in judged]


def _points(each: DriveScores) -> float:
    return 100 * each.nuplan.get("score", 0.0)


def _cell(each: DriveScores | None) -> str:
    if each is None:
        return "-"
    if each.error:
        return "0.0 ! "
    marks = ("c" if each.collided else "") + ("r" if each.off_road else "") + ("" if each.reached else "g")
    return f"{100 * each.nuplan['score']:.1f} {marks:2s}"


def _interval(found: Mean) -> str:
    if math.isnan(found.value):
        return "-"
    return f"{found.value:.1f}" + ("" if math.isnan(found.low) else f" [{found.low:.0f},{found.high:.0f}]")


def _percent(values: Sequence[float]) -> str:
    return f"{100 * np.mean(values):.1f}".removesuffix(".0") if values else "-"


def _count(happened: Iterable[bool]) -> str:
    told = list(happened)
    return f"{sum(told)}/{len(told)}"


def _ms(seconds: np.ndarray, percentile: int) -> str:
    if not len(seconds):
        return "-"
    found = 1000 * float(np.percentile(seconds, percentile))
    return f"{found:.1f}" if found < _WHOLE_MS else f"{found:.0f}"
