"""What was carried out: the actions on /action, by the stamp of the state that each answers.

In lockstep the simulator goes on as soon as it has its command, so the sensors of the next tick may arrive
before the action in between, which takes another route. `ActionJoin` then holds the tick back until the
action is there: what is computed depends on stamps alone, never on the order of arrival.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node

TOPIC = "/action"

_KEPT = 64  # actions that are remembered

Action = NDArray[np.float32]
TickT = TypeVar("TickT")


class ExecutedActions:
    """The last actions that a controller carried out.

    Args:
        spec: of the model; actions of other names or units are refused.
    """

    def __init__(self, spec: ActionSpec) -> None:
        self._spec = spec
        self._actions: dict[int, Action] = {}

    def receive(self, message: m.Message) -> None:
        """Take in a message of /action.

        Raises:
            InputError: for an action of another robot or model, or one that is not finite.
        """
        names, units = tuple(message.names), tuple(message.units)
        if (names, units) != (self._spec.names, self._spec.units) or len(message.values) != len(names):
            raise InputError(
                f"{TOPIC} tells {', '.join(names)} in {', '.join(units)}, the model acts in "
                f"{', '.join(self._spec.names)} in {', '.join(self._spec.units)}: does the controller "
                "execute the plans of another model?"
            )
        action = np.asarray(message.values, np.float32)
        if (bad := ~np.isfinite(action)).any():
            told = ", ".join(f"{names[i]} is {action[i]}" for i in np.flatnonzero(bad))
            raise InputError(f"{TOPIC}: {told}, wanted finite values")
        self._actions[m.stamp_ns(message)] = action
        while len(self._actions) > _KEPT:
            del self._actions[next(iter(self._actions))]

    def at(self, stamp_ns: int) -> Action | None:
        """The action (A,) that was carried out from the state of this time; None if it is not known."""
        return self._actions.get(stamp_ns)

    def before(self, stamp_ns: int, since_ns: int) -> Action | None:
        """The last action (A,) carried out from a state of the time [since_ns, stamp_ns); None if unknown."""
        known = [stamp for stamp in self._actions if since_ns <= stamp < stamp_ns]
        return self._actions[max(known)] if known else None


class ActionJoin(Generic[TickT]):
    """Calls back once per tick, with the action that was carried out since the tick before.

    In lockstep a tick waits until that action has arrived, if any node publishes /action; a tick that is
    repeated meanwhile is called without it. In realtime nothing waits, and the action is the newest one
    before the tick. It is None at the first tick after a reset, and where it is not known.

    Args:
        node: subscribes to /action.
        spec: of the model.
        callback: called with the tick and the action (A,).
    """

    def __init__(self, node: Node, spec: ActionSpec, callback: Callable[[TickT, Action | None], Any]) -> None:
        self._node = node
        self._callback = callback
        self._actions = ExecutedActions(spec)
        self._has_warned = False
        self.reset()
        node.subscribe(TOPIC, self._on_action)

    def reset(self) -> None:
        """Start a new episode: the next tick is its first."""
        self._started_ns: int | None = None
        self._previous_ns: int | None = None
        self._before: Action | None = None
        self._waiting: tuple[int, TickT] | None = None

    def offer(self, stamp_ns: int, tick: TickT) -> None:
        """Take in a tick: it is called back now, or when its action has arrived."""
        if stamp_ns == self._previous_ns:  # repeated: with the same action as the first time
            self._callback(tick, self._before)
            return
        is_repeated = self._waiting is not None and self._waiting[0] == stamp_ns
        if self._must_wait() and not is_repeated:
            self._waiting = stamp_ns, tick
            return
        self._call(stamp_ns, tick)

    def _must_wait(self) -> bool:
        """Whether the action since the tick before is on its way."""
        if self._node.mode == "realtime" or self._previous_ns is None:
            return False
        return self._actions.at(self._previous_ns) is None and self._node.bus.has_publisher(TOPIC)

    def _on_action(self, message: m.Message, envelope: Envelope) -> None:
        self._actions.receive(message)
        if self._waiting is not None and m.stamp_ns(message) == self._previous_ns:
            self._call(*self._waiting)

    def _call(self, stamp_ns: int, tick: TickT) -> None:
        action = None
        if self._previous_ns is not None and self._started_ns is not None:
            since_ns = self._started_ns if self._node.mode == "realtime" else self._previous_ns
            action = self._actions.before(stamp_ns, since_ns)
            if action is None and not self._has_warned:
                self._has_warned = True
                self._node.log.warning(
                    "no %s of the tick before: the last action is not known, and memory starts anew", TOPIC
                )
        self._started_ns = stamp_ns if self._started_ns is None else self._started_ns
        self._previous_ns, self._before, self._waiting = stamp_ns, action, None
        self._callback(tick, action)
