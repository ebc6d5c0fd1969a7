"""Detection of nodes that hang: their loop does not turn, and that is not for want of a core.

A late turn says little by itself: a busy machine delays it, and so does a long computation. So a late node
hangs only if its process is suspended, if all its threads sleep in a callback that has not told that it
waits, or if one callback has computed for very long.
"""

import os
from collections.abc import Callable
from typing import Literal, NamedTuple

from wm_planner.launching.activity import Activity, Rest, activity_of, rest_of
from wm_planner.node.heartbeat import Heartbeat

LATE_S = 0.1
"""Processes of nodes whose loop has not turned for so long are looked at."""

SUSPENDED_S = 0.2
"""A process that is suspended counts as hanging after so long."""

ASLEEP_S = 0.25
"""A loop that stands still while its process sleeps counts as hanging after so long."""

BUSY_S = 30.0
"""A callback that computes for longer, not counted what it waits for a core, does not return."""

_SURE_S = 0.15  # of sleep that was looked at
_LOOK_S = 0.05  # longest time between two looks of which something is known
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Hang(NamedTuple):
    """Why a node hangs.

    Attributes:
        state: of its process.
    """

    reason: str
    state: Literal["suspended", "asleep", "busy"]


class OwnTime:
    """The time that a process had for itself: that it slept, or computed, but not that it waited for a core.

    Sleep counts only if all its threads sleep: one that waits for another waits for the core of that one too.

    Args:
        activity: returns what the process does.
        rest: returns the CPU times of its threads while all of them sleep.
    """

    def __init__(self, activity: Callable[[], Activity | None], rest: Callable[[], Rest | None]) -> None:
        self._activity, self._rest = activity, rest
        self._looked_s: float | None = None
        self._ticks = 0
        self.total_s = 0.0

    @classmethod
    def of(cls, pid: int) -> "OwnTime":
        """That of a process from now on."""
        return cls(lambda: activity_of(pid), lambda: rest_of(pid, with_messaging=True))

    def look(self, now_s: float) -> Activity | None:
        """Add the time since the last look; to be called often."""
        found = self._activity()
        if found is None:
            return None
        if self._looked_s is not None:
            gap_s = now_s - self._looked_s
            used_s = (found.cpu_ticks - self._ticks) * _TICK_S
            sleeps = found.state == "T" or (found.state == "S" and self._rest() is not None)
            self.total_s += min(gap_s, _LOOK_S if sleeps else used_s)
        self._looked_s, self._ticks = now_s, found.cpu_ticks
        return found


class HangWatch:
    """Watches one active node.

    Args:
        heartbeat: of the node.
        activity: returns what its process does.
        rest: returns the CPU times of its threads while all of them sleep.
    """

    def __init__(
        self,
        heartbeat: Heartbeat,
        activity: Callable[[], Activity | None],
        rest: Callable[[], Rest | None],
    ) -> None:
        self._heartbeat, self._activity, self._rest = heartbeat, activity, rest
        self._begin(0.0, 0.0)

    @classmethod
    def of(cls, pid: int, heartbeat: Heartbeat) -> "HangWatch":
        """The watch of a process."""
        return cls(heartbeat, lambda: activity_of(pid), lambda: rest_of(pid))

    def _begin(self, last_s: float, now_s: float) -> None:
        self._last_s, self._looked_s = last_s, now_s
        self._own = OwnTime(self._activity, self._rest)
        self._asleep_s = self._suspended_s = 0.0
        self._resting: Rest | None = None

    def look(self, now_s: float) -> Hang | None:
        """Why the node hangs; None if it does not.

        Args:
            now_s: of the machine's monotonic clock; looks are expected about every 20 ms.
        """
        last_s = self._heartbeat.last_s
        if last_s != self._last_s:
            self._begin(last_s, now_s)
        if now_s - last_s < LATE_S:
            return None
        gap_s, self._looked_s = min(now_s - self._looked_s, _LOOK_S), now_s
        activity = self._own.look(now_s)
        if activity is None or activity.state == "t":  # it has ended, or its debugger has it
            return None
        late = f"its loop has not turned for {now_s - last_s:.2f} s"
        self._suspended_s = self._suspended_s + gap_s if activity.state == "T" else 0.0
        if self._suspended_s and now_s - last_s >= SUSPENDED_S:
            return Hang(f"is suspended (SIGSTOP), {late}", "suspended")
        if now_s < self._heartbeat.due_s + LATE_S:
            self._own.total_s = self._asleep_s = 0.0
            return None
        self._asleep_s = self._asleep_s + gap_s if self._sleeps_on(activity) else 0.0
        if self._asleep_s >= _SURE_S and now_s - self._heartbeat.due_s >= ASLEEP_S:
            return Hang(f"sleeps in a callback, {late}", "asleep")
        if self._own.total_s > BUSY_S:
            return Hang(f"computes in a callback that does not return, {late}", "busy")
        return None

    def _sleeps_on(self, activity: Activity) -> bool:
        """Whether no thread of the process has run since the last look."""
        before, self._resting = self._resting, self._rest() if activity.state == "S" else None
        return self._resting is not None and self._resting == before
