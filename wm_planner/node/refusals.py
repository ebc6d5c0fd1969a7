"""Refusals: received messages that a node cannot use, which it drops, counts and says, and goes on."""

import logging
from collections.abc import Collection

from wm_planner.clock import Clock, Deadline
from wm_planner.errors import InputError, ScenarioError, ShapeError, WmError, describe
from wm_planner.node.subscriptions import Subscription

UNUSABLE = (InputError, ScenarioError, ShapeError)
"""Errors of a callback that are about what arrived."""

UNFORESEEN = (ArithmeticError, LookupError, TypeError, ValueError)
"""Errors of a callback that an unchecked value can cause.

In realtime the message is dropped, because a robot is in motion. In lockstep all messages come from the run
itself, so that the program is at fault: they end the node, as any other error does in both modes.
"""

_QUIET_S = 10.0  # between two warnings about the same subscription: a sensor may fail at every other tick


class Refusals:
    """What is wrong with the messages of each subscription.

    Args:
        clock: monotonic wall time.
        log: gets one warning when messages begin to be refused, and one line when they can be used again.
    """

    def __init__(self, clock: Clock, log: logging.Logger) -> None:
        self._clock, self._log = clock, log
        self._reasons: dict[Subscription, str] = {}
        self._quiet: dict[Subscription, Deadline] = {}
        self._said: set[Subscription] = set()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the last message of a subscription was refused, for every one that was."""
        return tuple(self._reasons.values())

    def add(self, subscription: Subscription, topics: Collection[str], error: Exception) -> None:
        """Note that messages of `topics` are dropped."""
        is_new = subscription not in self._reasons
        is_foreseen = isinstance(error, WmError)
        self._reasons[subscription] = str(error) if is_foreseen else describe(error)
        if is_new and (subscription not in self._quiet or self._quiet[subscription].left_s() <= 0):
            self._quiet[subscription] = Deadline.after(self._clock, _QUIET_S)
            self._said.add(subscription)
            self._log.warning(
                "dropped %s: %s",
                ", ".join(topics),
                self._reasons[subscription],
                exc_info=None if is_foreseen else error,
            )

    def end(self, subscription: Subscription, topics: Collection[str]) -> None:
        """Note that messages of `topics` could be used."""
        if self._reasons.pop(subscription, None) is not None and subscription in self._said:
            self._said.remove(subscription)
            self._log.info("%s can be used again", ", ".join(topics))
