"""What a learned model brings to a driver: the same drives with and without its costs, compared in pairs."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from rich.table import Table

from wm_planner.bench.measurements.drive_log import DriveLog
from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.driving.evaluation.scenario_runs import AgentsName, RunSettings, run_scenarios
from wm_planner.evaluation.statistics import Mean, mean
from wm_planner.terminal import table

PLAIN = "plain"
REACT: AgentsName = "idm"

Spec = dict[str, Any]


class Gain(NamedTuple):
    """A measure of the drives with a variant, and by how much it is above the plain driver's.

    Attributes:
        gain: the mean of the differences in pairs, with its bootstrap interval.
    """

    variant: str
    measure: str
    value: float
    gain: Mean


def variants(driver: str, model: str, goal: float, surprise: float) -> dict[str, Spec]:
    """The driver as it is, and with each of the model's costs and both, by name.

    Args:
        driver: one that takes `extra` costs.
        model: bundle.
        goal, surprise: weights.
    """
    aim = {"type": "traffic_goal", "weight": goal, "model": model}
    doubt = {"type": "traffic_surprise", "weight": surprise, "model": model}
    plain: Spec = {"type": driver}
    return {
        PLAIN: plain,
        "goal": plain | {"extra": [aim]},
        "surprise": plain | {"extra": [doubt]},
        "both": plain | {"extra": [aim, doubt]},
    }


def drives(
    specs: Mapping[str, Spec], files: Sequence[Path], seconds: float, workers: int, log: DriveLog
) -> Iterator[tuple[DriveScores, ...]]:
    """The scores of each scenario with each variant, the others reacting.

    Args:
        specs: of drivers, by the names of their variants.
        seconds: a drive ends then.
    """
    for name, spec in specs.items():
        settings = RunSettings(planners={name: spec}, agents=(REACT,), max_duration_s=seconds)
        how = msgspec.json.encode(settings).decode()
        yield from log.drives(how, files, partial(run_scenarios, settings=settings, workers=workers))


def gains(scores: Sequence[DriveScores]) -> Iterator[Gain]:
    """All measures of all variants, beside the plain driver's of the same problem and others."""
    drives = _measured(scores)
    plain = drives[PLAIN]
    for variant, measured in drives.items():
        pairs = [(measured[key], plain[key]) for key in plain if key in measured]
        for measure in pairs[0][0] if pairs else ():
            values = np.array([[one[measure] for one in pair] for pair in pairs])
            known = values[np.isfinite(values).all(axis=1)]
            gain = mean((known[:, 0] - known[:, 1]).tolist())
            yield Gain(variant, measure, float(known[:, 0].mean()) if len(known) else np.nan, gain)


def gains_table(title: str, scores: Sequence[DriveScores]) -> Table:
    """The gains; in % but for times."""
    made = table(
        f"{title}, others react; differences from the plain driver in pairs, 95 % bootstrap interval",
        *("costs of the model", "measure", "mean", "difference"),
    )
    made.columns[1].justify = "left"
    for each in gains(scores):
        made.add_row(each.variant, each.measure, f"{each.value:.1f}", _told(each))
    return made


def _told(each: Gain) -> str:
    """The difference; one drive has no interval."""
    value, low, high = each.gain
    if each.variant == PLAIN:
        return ""
    return f"{value:+.2f}" + ("" if np.isnan(low) else f" [{low:+.2f}, {high:+.2f}]")


def _measured(scores: Sequence[DriveScores]) -> dict[str, dict[tuple[str, int, str], Mapping[str, float]]]:
    """The measures of each drive, by planner and then by what was driven."""
    found: dict[str, dict[tuple[str, int, str], Mapping[str, float]]] = {}
    for each in scores:
        found.setdefault(each.planner, {})[each.file, each.problem, each.agents] = _measures(each)
    return found


def _measures(each: DriveScores) -> Mapping[str, float]:
    """In %, but for the time of a plan; a drive that ended with an error scores 0."""
    failed = bool(each.error)
    shares = {
        "nuPlan": 0.0 if failed else each.nuplan["score"],
        "progress": 0.0 if failed else each.nuplan["progress"],
        "PDMS": 0.0 if failed else each.pdms.get("score", np.nan),
        "EPDMS": 0.0 if failed else each.epdms.get("score", np.nan),
        "collided": float(each.collided),
        "goal": float(each.reached),
    }
    times = {"plan, ms CPU": 1000 * float(np.median(each.plan_cpu_s)) if each.plan_cpu_s else np.nan}
    return {name: 100 * value for name, value in shares.items()} | times
