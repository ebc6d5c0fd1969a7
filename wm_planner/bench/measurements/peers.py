"""Comparison of our planners with those of other libraries, alternating in short blocks of one run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from wm_planner.bench.measurements.planners import (
    BICYCLE,
    NULL,
    Spec,
    bicycle_problem,
    null_problem,
    plan_seconds,
)
from wm_planner.bench.peer_environment import Peer, PeerProcess, python_of
from wm_planner.errors import ConfigError
from wm_planner.planners.problem import Problem
from wm_planner.terminal import console, table

STABLE_WORLDMODEL = Peer("stable-worldmodel", "0.1.1", "stable_worldmodel.py")
PYTORCH_MPPI = Peer("pytorch-mppi", "0.9.1", "pytorch_mppi.py")
JUDO = Peer("judo-rai", "0.1.0", "judo.py")
PAIRS: dict[Peer, tuple[tuple[str, str], ...]] = {
    STABLE_WORLDMODEL: (("cem", "cem"), ("icem", "cem"), ("mppi", "cem"), ("icem", "icem"), ("mppi", "mppi")),
    JUDO: (("cem", "cem"), ("mppi", "mppi")),
    PYTORCH_MPPI: (
        ("cem", "command"),
        ("mppi", "command"),
        ("mppi", "command, inference mode"),
    ),
}
"""Pairs of one of our planners and one of the peer's, by peer."""
BLOCKS, BLOCK = 10, 20
TOLERANCE = 1e-3  # relative, between our costs and a peer's: it sums in another order


@dataclass(frozen=True, slots=True)
class PeerRow:
    """CPU time per plan, in s, and the ratio of the peer's to ours: medians over blocks."""

    peer: Peer
    ours: str
    theirs: str
    our_s: float
    their_s: float
    ratio: float


def peer_table() -> Table:
    """All pairs; a peer that cannot be run is skipped with a message on the terminal."""
    rows = table(
        f"one plan, ours and a peer's in turn: median CPU of {BLOCKS} blocks of {BLOCK}; trivial cost with "
        "300 x 10 x H 5 x A 10, for pytorch-mppi bicycle with goal and obstacle, 1000 x H 30, one iteration",
        *("ours", "peer", "ours", "peer", "ratio"),
    )
    for peer in PAIRS:
        try:
            for row in peer_rows(peer):
                figures = f"{1000 * row.our_s:.2f} ms", f"{1000 * row.their_s:.2f} ms", f"{row.ratio:.2f}"
                rows.add_row(row.ours, f"{peer.package} {peer.version}: {row.theirs}", *figures)
        except ConfigError as error:
            console.print(f"[bold red]skipped {peer.package} {peer.version}[/]: {error}")
    return rows


def peer_rows(peer: Peer) -> Iterator[PeerRow]:
    """Time each pair in `BLOCKS` alternating blocks of `BLOCK` plans, after one block of each to warm up.

    Raises:
        ConfigError: if the peer cannot be installed or run, or solves another problem.
    """
    is_bicycle = peer is PYTORCH_MPPI
    problem, sizes = (bicycle_problem(), BICYCLE) if is_bicycle else (null_problem(), NULL)
    with PeerProcess(peer, python_of(peer)) as process:
        if is_bicycle:
            check_costs(process, problem)
        for ours, theirs in PAIRS[peer]:
            yield _in_turn(process, peer, problem, {"type": ours, **sizes}, theirs)


def _in_turn(process: PeerProcess, peer: Peer, problem: Problem, spec: Spec, theirs: str) -> PeerRow:
    blocks = []
    for block in range(BLOCKS + 1):
        seconds = plan_seconds(spec, problem, range(BLOCK * block, BLOCK * (block + 1)))
        blocks.append((np.median(seconds), np.median(process.plan_seconds(theirs, BLOCK))))
    our_s, their_s = np.array(blocks[1:]).T
    medians = float(np.median(our_s)), float(np.median(their_s)), float(np.median(their_s / our_s))
    return PeerRow(peer, str(spec["type"]), theirs, *medians)


def check_costs(process: PeerProcess, problem: Problem) -> None:
    """Check that the peer's costs equal ours.

    Raises:
        ConfigError: if they differ.
    """
    rng, space = np.random.default_rng(0), problem.space
    plans: Any = rng.uniform(space.low, space.high, (20, BICYCLE["horizon"], space.size)).astype(np.float32)
    ours, theirs = problem.evaluate(plans).total, np.array(process.costs(plans.tolist()))
    difference = float(np.max(np.abs(theirs - ours) / np.abs(ours)))
    if difference > TOLERANCE:
        raise ConfigError(f"its costs differ from ours by {difference:.1%}: the problems are not the same")
