"""The subscriptions that a publisher knows of, and what they tell about its readers.

A reader that can open shared memory subscribes to a topic twice: to its frame, and to `SHARED` and its frame.
Once it has opened the memory of a topic it subscribes to `OPENED`, the token of the memory, and its column.
Versions without shared memory do neither, and get every message inside a frame.
"""

from collections import Counter

from wm_planner.messaging.wire import frames_of

SHARED, OPENED = b"\1", b"\2"
OFFERED, REFERRED = b"\1", b"\2"
"""What follows `SHARED` and a frame in the messages of shared memory."""


class Subscribers:
    """Counts subscriptions.

    Attributes:
        changes: number of events so far.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._counts: Counter[bytes] = Counter()

    def update(self, event: bytes) -> bytes | None:
        """Count what an XPUB socket reports; the subscribed prefix if it is a new subscription."""
        prefix = event[1:]
        self._counts[prefix] += 1 if event[0] == 1 else -1
        if self._counts[prefix] == 0:
            del self._counts[prefix]
        self.changes += 1
        return prefix if event[0] == 1 else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is subscribed to."""
        return not self._counts

    def count(self, topic: str) -> int:
        """The number of sockets that read a topic."""
        return self._counts[frames_of(topic).frame] + self._counts[b""]

    def sharing(self, topic: str) -> int:
        """The number of readers of a topic if all of them share memory, else 0."""
        count = self._counts[SHARED + frames_of(topic).frame] + self._counts[SHARED]
        return count if count == self.count(topic) else 0

    def columns(self, token: bytes) -> tuple[int, ...]:
        """The columns of the readers that have opened a memory."""
        start = OPENED + token
        opened = (prefix for prefix in self._counts if prefix.startswith(start))
        return tuple(prefix[-1] for prefix in opened if len(prefix) == len(start) + 1)
