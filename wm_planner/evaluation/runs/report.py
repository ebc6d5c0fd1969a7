"""Report of a run: tables, a plot of distance over steps, and the statistics as JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Group
from rich.text import Text

from wm_planner.data.folders import atomic_file
from wm_planner.evaluation.runs.run_statistics import RunFigures, Spread
from wm_planner.evaluation.statistics import rate
from wm_planner.terminal import table

SUMMARY_FILE = "summary.json"
PLOT_FILE = "distance.png"

MOST_REASONS = 5
"""Reasons of fallbacks and of failures that are printed."""


def write_summary(folder: Path, figures: RunFigures, run: Mapping[str, Any]) -> None:
    """Write the statistics of a run and its settings as `summary.json`, atomically."""
    document = {"run": dict(run), **msgspec.to_builtins(figures)}
    with atomic_file(folder / SUMMARY_FILE) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2))


def coverage(figures: RunFigures, planned: int | None = None) -> list[str]:
    """Warnings about missing parts of a run: episodes that did not end, the end of the recording.

    Args:
        planned: number of episodes of the launch; None if unknown.
    """
    ended, lines = len(figures.episodes), []
    if figures.started > ended or (planned is not None and planned > ended):
        planned_text = f" of {planned} planned" if planned is not None else ""
        lines.append(f"{ended}{planned_text} episodes have ended, {figures.started} were started")
    if not figures.is_complete:
        lines.append(
            "the recording is incomplete: it was not closed, so everything after its last chunk is lost"
        )
    return lines


def why_fallbacks(figures: RunFigures) -> list[str]:
    """A line per reason why plans were not used, the most frequent first."""
    return _reasons(Counter(figures.fallback_reasons), "plans not used")


def why_failed(figures: RunFigures) -> list[str]:
    """A line per reason why episodes have failed, whose returns do not count, the most frequent first."""
    reasons = Counter(episode.reason for episode in figures.episodes if episode.has_failed)
    return _reasons(reasons, f"of {len(figures.episodes)} episodes failed")


def _reasons(counts: Counter[str], what: str) -> list[str]:
    lines = [f"{count} {what}: {reason}" for reason, count in counts.most_common(MOST_REASONS)]
    more = len(counts) - MOST_REASONS
    return [*lines, f"{more} more reasons, see {SUMMARY_FILE}"] if more > 0 else lines


def respawns(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line per node that was respawned.

    Args:
        events: of the supervisor, as mappings.
    """
    counts = Counter(each["node"] for each in events if each["kind"] == "respawned")
    causes = {each["node"]: each["detail"] for each in events if each["kind"] in ("hung", "died")}
    return [
        f"{node} was respawned {count} time{'s' if count > 1 else ''}, after {causes.get(node, 'its end')}"
        for node, count in counts.items()
    ]


def tables(figures: RunFigures, planned: int | None = None) -> Group:
    """Warnings, the success table if an episode has ended, and the timing table without its empty rows.

    Args:
        planned: number of episodes of the launch; None if unknown.
    """
    success = table("success at the end of the episode", "", "episodes", "share", "95 % interval")
    shares = {
        f"within {100 * row.radius_m:g} cm": rate(row.successes, row.episodes) for row in figures.success
    }
    reached = rate(sum(episode.success for episode in figures.episodes), len(figures.episodes))
    if reached != next(iter(shares.values()), None):
        shares["goal reached"] = reached
    for name, row in shares.items():
        cells = (f"{row.successes} of {row.trials}", f"{row.share:.1%}", f"{row.low:.1%} to {row.high:.1%}")
        success.add_row(name, *cells)
    per_steps = f" for {figures.steps} steps" if figures.started else ""
    stale = "" if figures.stale_inputs is None else f"{figures.stale_inputs} from stale inputs, "
    spreads = table(
        f"{figures.plans} plans{per_steps}, {figures.deadline_misses} deadline misses, {stale}"
        f"{figures.fallbacks} fallbacks",
        *("", "median", "p99", "max"),
    )
    distance = (f"final distance, {figures.unit.name}", figures.end_distance_m, figures.unit.per_m)
    has_reward = any(episode.has_reward for episode in figures.episodes)
    for name, spread, factor in (
        ("return", figures.total_reward, 1.0),
        *([distance] if figures.has_distance or not (figures.is_drive or has_reward) else []),
        ("plan time, ms", figures.plan_s, 1000.0),
        ("input age, ms", figures.input_age_s, 1000.0),
        ("plan cost", figures.plan_cost, 1.0),
        ("surprise", figures.surprise, 1.0),
    ):
        if spread.count:
            spreads.add_row(name, *_cells(spread, factor))
    none = "no episode has ended" if figures.started else "no episodes: nothing was published on /episode"
    lines = (*coverage(figures, planned), *why_failed(figures), *why_fallbacks(figures))
    notes = (Text(line, style="yellow") for line in lines)
    timing = [spreads] if spreads.row_count else []
    unscored = has_reward and not reached.successes  # most tasks with reward define no success
    return Group(*notes, *([] if unscored else [success if figures.episodes else none]), *timing)


def plot(folder: Path, figures: RunFigures, title: str) -> Path:
    """Plot distance over steps as `distance.png`, one line per episode, red if it failed.

    Episodes whose goal has no position are left out.
    """
    from matplotlib.figure import Figure  # takes a second to import, and only plots need it

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    unit, per_m = figures.unit
    for episode in filter(lambda each: each.has_distance, figures.episodes):
        colour = "tab:blue" if episode.success else "tab:red"
        axes.plot([per_m * d for d in episode.distances_m], color=colour, alpha=0.6, linewidth=1)
    for row, style in zip(figures.success, (":", "--"), strict=False):  # drives have none
        label = f"{100 * row.radius_m:g} cm: {row.successes} of {row.episodes} at the end"
        axes.axhline(per_m * row.radius_m, color="gray", linestyle=style, linewidth=1, label=label)
    if figures.success:
        axes.legend(loc="upper right")
    axes.set(xlabel="step", ylabel=f"distance to the goal [{unit}]", title=title, ylim=(0, None))
    path = folder / PLOT_FILE
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return path


def _cells(spread: Spread, factor: float) -> list[str]:
    values = (spread.median, spread.p99, spread.max)
    return [f"{value * factor:.3g}" for value in values if value is not None]
