"""Detection of nodes that hang: they no longer report, and their processes do nothing.

A report that is late says little by itself: a busy machine delays it, and so does a long computation. So a
late node counts as silent only if its process is suspended, has used no CPU time although it was not waiting
for a core, or has been in one callback for very long.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LATE_S = 3.0
"""Nodes report every second."""

BUSY_S = 30.0
"""A callback that computes for longer is worth a line."""

_LOOK_S = 0.5  # between two checks of the processes of late nodes


class Activity(NamedTuple):
    """The activity of a process.

    Attributes:
        state: the kernel's letter: R running or waiting for a core, S or D sleeping, T suspended.
        cpu_ticks: CPU time used so far, user and system, in the kernel's ticks.
    """

    state: str
    cpu_ticks: int


def activity_of(pid: int) -> Activity | None:
    """The activity of a process now; None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Activity(fields[0], int(fields[11]) + int(fields[12]))


@dataclass
class _Watched:
    reported_s: float
    ran_s: float  # when its CPU time was last seen to grow
    cpu_ticks: int = -1
    is_silent: bool = False


class Liveness:
    """Watches the active nodes of a run; all times in seconds of one clock."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}
        self._looked_s = float("-inf")

    def activate(self, node: str, now_s: float) -> None:
        """Start to watch a node."""
        self._watched[node] = _Watched(reported_s=now_s, ran_s=now_s)

    def remove(self, node: str) -> None:
        """Stop to watch a node that has ended."""
        self._watched.pop(node, None)

    def report(self, node: str, now_s: float) -> None:
        """Note a report; those of nodes that are not watched are ignored."""
        if node in self._watched:
            self._watched[node].reported_s = now_s

    def news(self, now_s: float, activities: Callable[[], Mapping[str, Activity]]) -> list[str]:
        """One line for every node that has become silent, and for every one that reports again.

        Args:
            activities: returns the activity of each node's process; called only if a node is late.
        """
        back = [
            node for node, it in self._watched.items() if it.is_silent and now_s - it.reported_s <= LATE_S
        ]
        for node in back:
            self._watched[node].is_silent = False
        lines = [f"{node} reports again" for node in back]
        late = [node for node, it in self._watched.items() if now_s - it.reported_s > LATE_S]
        if late and now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            found = activities()
            lines += [
                line for node in late if node in found for line in self._judge(node, now_s, found[node])
            ]
        return lines

    def _judge(self, node: str, now_s: float, activity: Activity) -> list[str]:
        watched = self._watched[node]
        if activity.state == "R" or activity.cpu_ticks != watched.cpu_ticks:
            watched.ran_s, watched.cpu_ticks = now_s, activity.cpu_ticks
        late_s, idle_s = now_s - watched.reported_s, now_s - watched.ran_s
        if activity.state in "Tt":
            why = "is suspended (SIGSTOP, or a debugger)"
        elif idle_s > LATE_S:
            why = f"has neither reported nor run for {idle_s:.0f} s: does a callback wait for something?"
        elif late_s > BUSY_S:
            why = f"has been busy for {late_s:.0f} s without a report: does a callback not return?"
        else:
            return []
        is_new, watched.is_silent = not watched.is_silent, True
        return [f"{node} {why}"] if is_new else []
