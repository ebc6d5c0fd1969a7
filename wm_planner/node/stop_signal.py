"""SIGTERM and SIGINT of a node process, and the kernel's signal when its supervisor dies."""

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

_PR_SET_PDEATHSIG = 1
_HARD_STOP_S = 8.0  # for a running callback to return
_SUPERVISED_STOP_S = 60.0  # the same where a supervisor ends the process, unless it has died

SHOW_THREADS = signal.SIGUSR2
"""Lets a node write into its log where its threads are."""


class StopSignal:
    """The request to stop: a running callback returns first, a wait ends at once.

    Attributes:
        is_set: whether the process has been asked to stop.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._ends_at_once = False
        self._limit_s = _HARD_STOP_S

    def listen(self, supervisor: int = 0) -> None:
        """Handle SIGTERM and SIGINT from now on.

        Args:
            supervisor: pid of the process whose death stops this one too; 0 for none.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)
        if supervisor:
            self._limit_s = _SUPERVISED_STOP_S
            _die_with(supervisor)

    @contextlib.contextmanager
    def ends_at_once(self) -> Iterator[None]:
        """While inside, the request ends the process by SystemExit: there is no callback to let return."""
        self._ends_at_once = True
        try:
            if self.is_set:
                raise SystemExit(0)
            yield
        finally:
            self._ends_at_once = False

    def is_obeyed(self) -> None:
        """No callback runs any more; what is left, such as closing a recording, may be slow."""
        signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True
        faulthandler.dump_traceback_later(self._limit_s - 0.5)  # the log shows where a callback hangs
        signal.setitimer(signal.ITIMER_REAL, self._limit_s)  # SIGALRM ends a callback that never returns
        if self._ends_at_once:
            raise SystemExit(0)


def _die_with(supervisor: int) -> None:
    """Let the kernel stop this process when its supervisor dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        raise SystemExit(0)  # it died before prctl
