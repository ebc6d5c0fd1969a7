"""Waiting for nodes to become active: lines about a slow start, and the error for nodes that are late."""

from collections.abc import Iterable, Mapping
from pathlib import Path

START_S = 120.0
"""Time from the start of a node until it is active; includes the loading and warm-up of models."""

_FIRST_LINE_S = 10.0  # a start takes 3 s on a quiet machine; the time between two lines doubles


class StartupWatch:
    """Says what a run waits for, after 10 s, 20 s, 40 s, ... of one wait."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._next_s = _FIRST_LINE_S

    def line(self, now_s: float, awaited: Mapping[str, str]) -> str:
        """The line to print now; empty for none.

        Args:
            now_s: a monotonic time.
            awaited: the nodes that are not active yet, each with what it is doing.
        """
        if not awaited:
            self._since_s, self._next_s = None, _FIRST_LINE_S
            return ""
        self._since_s = now_s if self._since_s is None else self._since_s
        waited_s = now_s - self._since_s
        if waited_s < self._next_s:
            return ""
        while self._next_s <= waited_s:
            self._next_s *= 2
        return f"waiting for {_listed(awaited)} for {waited_s:.0f} s"


def startup_error(late: Mapping[str, str], logs: Iterable[Path]) -> str:
    """The error for nodes that were not active in time, each with what it is doing."""
    files = ", ".join(map(str, dict.fromkeys(logs)))
    return (
        f"not active within {START_S:g} s: {_listed(late)}; see where they are in {files}; "
        "if these are empty, the machine was too busy to import the programs: reduce its load and start again"
    )


def _listed(nodes: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({activity})" for name, activity in nodes.items())
