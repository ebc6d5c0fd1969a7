"""What a soak has shown, as tables in Markdown."""

import os
import platform
import time
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from wm_planner.bench.soak.recovery import Recovery
from wm_planner.bench.soak.session import SessionResult
from wm_planner.bench.soak.soak import count_of
from wm_planner.bench.soak.verdict import JUMP, OFFSET_M, RECOVERY_CPU_S, Verdict, needs_receiver

_COLUMNS = ("what", "count", "median", "p95", "p99", "worst", "limit", "misses")


def markdown(sessions: Sequence[SessionResult]) -> str:
    """The report of some runs."""
    verdicts = [verdict for session in sessions for verdict in session.verdicts]
    parts = [
        f"{time.strftime('%Y-%m-%d')}: {count_of(sessions)} faults in {len(sessions)} runs, on "
        f"{_machine(verdicts)}. {_priority(sessions)}",
        _table(("fault", *sorted({fault.node for v in verdicts for fault in v.faults})), _faults(verdicts)),
        _table(_COLUMNS, _measures(verdicts)),
        _misses(verdicts),
        _ends(sessions),
    ]
    return "\n\n".join(parts) + "\n"


def _priority(sessions: Sequence[SessionResult]) -> str:
    count = sum(session.has_priority for session in sessions)
    return f"Controller and simulator had real-time priority in {count} of {len(sessions)} runs."


def _machine(verdicts: Sequence[Verdict]) -> str:
    loads = [verdict.load for verdict in verdicts] or [0.0]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}, Linux {platform.release()}), load of the machine "
        f"{min(loads):.0f} to {max(loads):.0f}, median {np.median(loads):.0f}"
    )


def _faults(verdicts: Sequence[Verdict]) -> list[tuple[str, ...]]:
    """The number of faults by kind and node."""
    counts = Counter((fault.kind, fault.node) for verdict in verdicts for fault in verdict.faults)
    nodes = sorted({node for _, node in counts})
    kinds = sorted({kind for kind, _ in counts})
    rows = [(kind, *(str(counts[kind, node] or "") for node in nodes)) for kind in kinds]
    pairs = sum(len(verdict.faults) > 1 for verdict in verdicts)
    return [*rows, (f"of these, two at once: {pairs} times", *("" for _ in nodes))]


def _measures(verdicts: Sequence[Verdict]) -> list[tuple[str, ...]]:
    rows = []
    for launch in dict.fromkeys(verdict.launch for verdict in verdicts):
        some = [verdict for verdict in verdicts if verdict.launch == launch]
        for limit in sorted({verdict.limit_s for verdict in some}):
            of_limit = [verdict for verdict in some if verdict.limit_s == limit]
            held = [v.hold_s for v in of_limit if v.hold_s is not None]
            received = [v.receiver_s for v in of_limit if v.receiver_s is not None]
            rows.append(_row(f"{launch}: commands hold or brake", held, limit, "{:.3f} s"))
            rows.append(_row(f"{launch}: robot holds or brakes by itself", received, limit, "{:.3f} s"))
        jumps = [verdict.jump for verdict in some]
        rows.append(_row(f"{launch}: step of commands, in limits", jumps, JUMP, "{:.2f}"))
        rows += _route_rows(launch, some)
        rows += _recovery_rows(launch, [recovery for v in some for recovery in v.recoveries])
    return [row for row in rows if row[1] != "0"]


def _route_rows(launch: str, verdicts: Sequence[Verdict]) -> Iterable[tuple[str, ...]]:
    if any(verdict.offset_m for verdict in verdicts):
        alone = [needs_receiver(verdict.faults) for verdict in verdicts]
        steered = [each.offset_m for each, is_alone in zip(verdicts, alone, strict=True) if not is_alone]
        unsteered = [each.offset_m for each, is_alone in zip(verdicts, alone, strict=True) if is_alone]
        yield _row(f"{launch}: distance from the route", steered, OFFSET_M, "{:.2f} m")
        yield _row(f"{launch}: the same without a controller", unsteered, None, "{:.2f} m")


def _recovery_rows(launch: str, recoveries: Sequence[Recovery]) -> Iterable[tuple[str, ...]]:
    for node in sorted({recovery.node for recovery in recoveries}):
        some = [recovery for recovery in recoveries if recovery.node == node]
        used = [recovery.own_cpu_s for recovery in some]
        yield _row(f"{launch}: CPU of a new {node}, loading apart", used, RECOVERY_CPU_S, "{:.2f} s")
        yield _row(f"{launch}: CPU of a new {node}, all", [r.cpu_s for r in some], None, "{:.2f} s")
        yield _row(f"{launch}: time until a new {node} is back", [r.wall_s for r in some], None, "{:.2f} s")


def _row(what: str, values: Sequence[float], limit: float | None, form: str) -> tuple[str, ...]:
    if not values:
        return (what, "0", *[""] * 6)
    figures = (*np.percentile(values, (50, 95, 99)), max(values))
    misses = "" if limit is None else str(sum(value > limit for value in values))
    bound = "" if limit is None else form.format(limit)
    return (what, str(len(values)), *(form.format(value) for value in figures), bound, misses)


def _misses(verdicts: Sequence[Verdict]) -> str:
    missed = [verdict for verdict in verdicts if verdict.misses]
    if not missed:
        return "Nothing was missed."
    lines = [
        f"- {verdict.launch}, {verdict.name} at {verdict.speed:.2f}, load {verdict.load:.0f}: "
        f"{'; '.join(verdict.misses)}"
        for verdict in missed
    ]
    return f"Missed by {len(missed)} of {len(verdicts)}:\n\n" + "\n".join(lines)


def _ends(sessions: Sequence[SessionResult]) -> str:
    """What was left behind, and which runs ended by themselves."""
    left = [f"- {session.launch}: left behind {each}" for session in sessions for each in session.leftovers]
    ended = [f"- {session.launch}: the run ended early: {session.end}" for session in sessions if session.end]
    if not left:
        left = ["No run left a process, shared memory, a socket or a lock behind."]
    return "\n".join([*left, *([""] if ended else []), *ended])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
