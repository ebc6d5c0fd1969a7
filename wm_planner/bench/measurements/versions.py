"""CPU time of a plan in this checkout and in another one, alternating between two processes."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from wm_planner.bench.peer_environment import Peer, PeerProcess
from wm_planner.errors import ConfigError
from wm_planner.evaluation.statistics import median
from wm_planner.terminal import table

PLANS = ("small", "token", "cem driver")
PROGRAM = "checkout.py"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """Median CPU time of one plan, in s, and the median ratio of the pairs with its 95 % interval."""

    plan: str
    here_s: float
    there_s: float
    ratio: float
    low: float
    high: float


def version_rows(checkout: Path, repeats: int) -> Iterator[VersionRow]:
    """Time each kind of plan `repeats` times in each checkout, alternating, after three of each to warm up.

    Raises:
        ConfigError: if the other folder has no wm_planner, or a process ends early.
    """
    if not (checkout / "wm_planner" / "__init__.py").is_file():
        raise ConfigError(f"{checkout} has no wm_planner; give the folder of another checkout")
    python, here = Path(sys.executable), Path(__file__).resolve().parents[3]
    with (
        PeerProcess(Peer("wm-planner", "here", PROGRAM), python, path=here) as ours,
        PeerProcess(Peer("wm-planner", str(checkout), PROGRAM), python, path=checkout.resolve()) as theirs,
    ):
        for plan in PLANS:
            pairs = []
            for process in (ours, theirs):
                process.plan_seconds(plan, 3)
            for turn in range(repeats):
                order = (ours, theirs) if turn % 2 else (theirs, ours)
                seconds = {process: process.plan_seconds(plan, 1)[0] for process in order}
                pairs.append((seconds[ours], seconds[theirs]))
            here_s, there_s = np.array(pairs).T
            ratio = median(list(here_s / there_s))
            yield VersionRow(plan, float(np.median(here_s)), float(np.median(there_s)), *ratio)


def version_table(checkout: Path, repeats: int) -> Table:
    """`version_rows` as a table."""
    rows = table(
        f"CPU of a plan here and in {checkout}: medians of {repeats} alternating pairs, 95 % intervals",
        *("plan", "here", "there", "here / there"),
    )
    for row in version_rows(checkout, repeats):
        ratio = f"{row.ratio:.3f} [{row.low:.3f}, {row.high:.3f}]"
        rows.add_row(row.plan, f"{1000 * row.here_s:.2f} ms", f"{1000 * row.there_s:.2f} ms", ratio)
    return rows
