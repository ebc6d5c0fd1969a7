"""Large messages that wait in the frames of a socket, because they could not be shared."""

from collections import deque

import zmq

from wm_planner.messaging.wire import BUDGET_BYTES


class Backlog:
    """Counts the bytes that ZeroMQ has not passed on to all readers yet.

    The limit of a socket's queue cannot do it: when it falls, libzmq 4.3.5 waits for a report of the other
    end that comes only with further messages, and so forever.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[zmq.MessageTracker, int]] = deque()

    def has_room(self, size: int) -> bool:
        """Whether a message of `size` bytes keeps the budget, or is the only one."""
        self._waiting = deque(each for each in self._waiting if not each[0].done)
        return not self._waiting or size + sum(waiting for _, waiting in self._waiting) <= BUDGET_BYTES

    def add(self, tracker: zmq.MessageTracker, size: int) -> None:
        """Count a message until its tracker says that it was passed on."""
        self._waiting.append((tracker, size))
