"""Rates of the whole loop by its number of processes, measured in turns, so that all meet the same load."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from wm_planner.bench.measurements.group_loop import measure_group_loop
from wm_planner.bench.measurements.loop import LoopResult, measure_loop
from wm_planner.bench.measurements.process_loop import ProcessLoopResult


@dataclass(frozen=True, slots=True)
class LoopRate:
    """The rates of one way to run the loop.

    Attributes:
        nodes: how they are spread over processes.
        rate_hz: decisions per second of wall time, median; None if it was not measured.
        per_cpu_s: decisions per second of CPU time, median.
        of_first: median of the ratios of `per_cpu_s` to the first row's in the same turn.
        cpu: CPU time by node or part, as text.
    """

    nodes: str
    rate_hz: float | None
    per_cpu_s: float
    of_first: float
    cpu: Mapping[str, str]


def loop_rates(
    launch: str,
    overrides: Sequence[str],
    model: str,
    episodes: int,
    repeats: int,
    without_nodes: Callable[[], ProcessLoopResult] | None,
) -> list[LoopRate]:
    """Measure the loop with a process for each node, with all nodes in one, and without nodes.

    Args:
        repeats: number of turns.
        without_nodes: measures the loop without nodes; None where it needs nodes.
    """
    apart: list[LoopResult] = []
    together: list[LoopResult] = []
    bare: list[ProcessLoopResult] = []
    for _ in range(repeats):
        for results, is_grouped in ((apart, False), (together, True)):
            with tempfile.TemporaryDirectory() as folder:
                results.append(measure_loop(launch, model, episodes, Path(folder), overrides, is_grouped))
        if without_nodes is not None:
            bare.append(without_nodes())
    with tempfile.TemporaryDirectory() as folder:
        parts = measure_group_loop(launch, model, episodes, Path(folder), overrides)
    shares = {node: f"{share:.0%}" for node, share in apart[-1].cpu_share.items()}
    first = [result.per_cpu_s for result in apart]
    rows = [
        _rate("a process each", apart, first, shares),
        _rate("one process", together, first, parts_of(parts)),
    ]
    if bare:
        rows.append(_rate("no nodes", bare, first, parts_of(bare[-1])))
    return rows


def parts_of(result: ProcessLoopResult) -> dict[str, str]:
    """The CPU time per decision of each part, as text."""
    return {part: f"{1000 * cpu_s:.2f} ms" for part, cpu_s in result.parts_s.items()}


def _rate(
    nodes: str,
    results: Sequence[LoopResult] | Sequence[ProcessLoopResult],
    first: Sequence[float],
    cpu: Mapping[str, str],
) -> LoopRate:
    walls = [result.rate_hz for result in results if isinstance(result, LoopResult)]
    rates = [result.per_cpu_s for result in results]
    ratios = [rate / other for rate, other in zip(rates, first, strict=True)]
    return LoopRate(nodes, median(walls) if walls else None, median(rates), median(ratios), cpu)
