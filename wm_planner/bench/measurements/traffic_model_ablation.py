"""Effect of a learned model's costs on a driver, from pairs of drives with and without them."""

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
REACTIVE: AgentsName = "idm"

Spec = dict[str, Any]


class Gain(NamedTuple):
    """A metric of a variant, and its gain over the plain driver.

    Attributes:
        variant: name of the variant.
        metric: name of the metric.
        value: mean over drives.
        gain: mean difference to the plain driver over pairs, with its bootstrap interval.
    """

    variant: str
    metric: str
    value: float
    gain: Mean


def variants(driver: str, model: str, goal: float, surprise: float) -> dict[str, Spec]:
    """Specs of the driver without the model's costs, with each of them and with both, by name.

    Args:
        driver: a driver that takes `extra` costs.
        model: path of the model's bundle.
        goal, surprise: weights of the costs.
    """
    goal_cost = {"type": "traffic_goal", "weight": goal, "model": model}
    surprise_cost = {"type": "traffic_surprise", "weight": surprise, "model": model}
    plain: Spec = {"type": driver}
    return {
        PLAIN: plain,
        "goal": plain | {"extra": [goal_cost]},
        "surprise": plain | {"extra": [surprise_cost]},
        "both": plain | {"extra": [goal_cost, surprise_cost]},
    }


def run_variants(
    specs: Mapping[str, Spec], files: Sequence[Path], seconds: float, workers: int, log: DriveLog
) -> Iterator[tuple[DriveScores, ...]]:
    """Scores of each scenario with each variant, among reactive agents.

    Args:
        specs: specs of the drivers by variant.
        files: scenario files.
        seconds: maximum duration of a drive.
        workers: number of processes.
        log: log of finished drives.
    """
    for name, spec in specs.items():
        settings = RunSettings(planners={name: spec}, agents=(REACTIVE,), max_duration_s=seconds)
        key = msgspec.json.encode(settings).decode()
        yield from log.drives(key, files, partial(run_scenarios, settings=settings, workers=workers))


def gains(scores: Sequence[DriveScores]) -> Iterator[Gain]:
    """All metrics of all variants, compared with the plain driver in the same drives."""
    drives = _metrics_by_drive(scores)
    plain = drives[PLAIN]
    for variant, metrics in drives.items():
        pairs = [(metrics[key], plain[key]) for key in plain if key in metrics]
        for metric in pairs[0][0] if pairs else ():
            values = np.array([[drive[metric] for drive in pair] for pair in pairs])
            finite = values[np.isfinite(values).all(axis=1)]
            gain = mean((finite[:, 0] - finite[:, 1]).tolist())
            yield Gain(variant, metric, float(finite[:, 0].mean()) if len(finite) else np.nan, gain)


def gains_table(title: str, scores: Sequence[DriveScores]) -> Table:
    """The gains as a table, in % except for times."""
    result = table(
        f"{title}, reactive agents; paired differences to the plain driver, 95 % bootstrap interval",
        *("costs of the model", "metric", "mean", "difference"),
    )
    result.columns[1].justify = "left"
    for each in gains(scores):
        result.add_row(each.variant, each.metric, f"{each.value:.1f}", _difference(each))
    return result


def _difference(each: Gain) -> str:
    """The difference with its interval, if there is one."""
    value, low, high = each.gain
    if each.variant == PLAIN:
        return ""
    return f"{value:+.2f}" + ("" if np.isnan(low) else f" [{low:+.2f}, {high:+.2f}]")


def _metrics_by_drive(
    scores: Sequence[DriveScores],
) -> dict[str, dict[tuple[str, int, str], Mapping[str, float]]]:
    """The metrics of each drive, by planner and then by file, problem and agents."""
    metrics: dict[str, dict[tuple[str, int, str], Mapping[str, float]]] = {}
    for each in scores:
        metrics.setdefault(each.planner, {})[each.file, each.problem, each.agents] = _metrics(each)
    return metrics


def _metrics(each: DriveScores) -> Mapping[str, float]:
    """Metrics of a drive, in % except for the planning time; a drive with an error scores 0."""
    failed = bool(each.error)
    fractions = {
        "nuPlan": 0.0 if failed else each.nuplan["score"],
        "progress": 0.0 if failed else each.nuplan["progress"],
        "PDMS": 0.0 if failed else each.pdms.get("score", np.nan),
        "EPDMS": 0.0 if failed else each.epdms.get("score", np.nan),
        "collided": float(each.collided),
        "goal": float(each.reached),
    }
    times = {"plan, ms CPU": 1000 * float(np.median(each.plan_cpu_s)) if each.plan_cpu_s else np.nan}
    return {name: 100 * value for name, value in fractions.items()} | times
