"""Refusals: calls of a node that failed and do not end it, by a received message or by a timer."""

import logging
from collections.abc import Callable
from typing import Any

from wm_planner.clock import Clock, Deadline
from wm_planner.errors import InputError, ScenarioError, ShapeError, WmError, describe

UNUSABLE = (InputError, ScenarioError, ShapeError)
"""Errors of a callback that are about what arrived."""

UNFORESEEN = (ArithmeticError, LookupError, TypeError, ValueError)
"""Errors of a callback that an unchecked value can cause.

In realtime the call is given up, because a robot is in motion. In lockstep all messages come from the run
itself, so that the program is at fault: they end the node, as any other error does in both modes.
"""

_QUIET_S = 10.0  # between two warnings about the same source: a sensor may fail at every other tick


class Refusals:
    """What is wrong with each source of calls: a subscription, or a timer.

    Args:
        clock: monotonic wall time.
        log: gets one warning when calls begin to fail, and one line when they succeed again.
        is_lockstep: whether an unforeseen error ends the node.
    """

    def __init__(self, clock: Clock, log: logging.Logger, *, is_lockstep: bool) -> None:
        self._clock, self._log, self._is_lockstep = clock, log, is_lockstep
        self._reasons: dict[object, str] = {}
        self._quiet: dict[object, Deadline] = {}
        self._said: dict[object, str] = {}  # what to say when it succeeds again

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the last call failed, for every source whose last call did."""
        return tuple(self._reasons.values())

    def attempt(self, callback: Callable[..., None], *arguments: Any) -> Exception | None:
        """Call back; returns an error that does not end the node, and raises any other."""
        try:
            callback(*arguments)
        except UNUSABLE as error:
            return error
        except UNFORESEEN as error:
            if self._is_lockstep or isinstance(error, WmError):
                raise
            return error
        return None

    def add(self, source: object, error: Exception, failed: str, recovered: str) -> None:
        """Note that a call has failed.

        Args:
            source: subscription or timer.
            error: of the call.
            failed: what to log with the error, e.g. "dropped /plan".
            recovered: what to log once a call succeeds, e.g. "/plan can be used again".
        """
        is_new = source not in self._reasons
        is_foreseen = isinstance(error, WmError)
        self._reasons[source] = str(error) if is_foreseen else describe(error)
        if is_new and (source not in self._quiet or self._quiet[source].left_s() <= 0):
            self._quiet[source] = Deadline.after(self._clock, _QUIET_S)
            self._said[source] = recovered
            self._log.warning(
                "%s: %s", failed, self._reasons[source], exc_info=None if is_foreseen else error
            )

    def end(self, source: object) -> None:
        """Note that a call has succeeded."""
        if self._reasons.pop(source, None) is not None and source in self._said:
            self._log.info("%s", self._said.pop(source))
