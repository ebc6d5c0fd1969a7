"""A reader that looks on: it is not counted by the nodes of a domain, and a slow user does not slow them."""

import itertools
import os
import queue
import threading
from collections.abc import Iterator
from typing import Self

from wm_planner.errors import MessagingError
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.wire import Delivery

_MOST_WAITING = 1000  # messages; further ones are dropped while the user is busy
_LOOK_S = 0.05

_numbers = itertools.count(1)


class Listener:
    """Receives topics in a thread, so that publishers of a lockstep run never wait for what is done with it.

    It writes no record, so no node waits for it to connect. Used as a context manager.

    Args:
        domain: to listen in.
        topics: on the bus.

    Attributes:
        dropped: number of messages that came while 1000 others waited.
    """

    def __init__(self, domain: Domain, *topics: str) -> None:
        self.dropped = 0
        self._domain, self._topics = domain, topics
        self._bus = Bus(domain, f"listener-{os.getpid()}-{next(_numbers)}", lossless=False)
        for topic in topics:
            self._bus.subscribe(topic)
        self._waiting: queue.Queue[Delivery | MessagingError] = queue.Queue(_MOST_WAITING)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed.set()
        self._thread.join()

    def deliveries(self) -> Iterator[Delivery | None]:
        """Every message, and None now and then while none comes; ends with the last node of the domain.

        Raises:
            MessagingError: if a message is of another version.
        """
        while True:
            try:
                item = self._waiting.get(timeout=_LOOK_S)
            except queue.Empty:
                if not self._thread.is_alive():
                    return
                yield None
                continue
            if isinstance(item, MessagingError):
                raise item
            yield item

    def _listen(self) -> None:
        """Read until closed, or until no node is left."""
        try:
            self._bus.refresh()
            while not self._is_closed.is_set() and self._domain.endpoints():
                self._bus.wait(_LOOK_S)
                while (delivery := self._bus.receive()) is not None:
                    self._put(delivery)
                for source, reason in self._bus.rejected.reasons.items():
                    if source.startswith(self._topics):  # other things that are wrong are not asked for
                        raise MessagingError(reason)
        except MessagingError as error:
            self._put(error)
        finally:
            self._bus.close(linger_s=0.0)

    def _put(self, item: Delivery | MessagingError) -> None:
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self.dropped += 1
