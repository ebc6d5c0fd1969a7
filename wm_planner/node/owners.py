"""Owners of topics such as /plan: one publisher at a time, so that two never steer a robot by turns."""

import logging

from wm_planner.messaging import topics
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.wire import Delivery


class Owners:
    """From which publisher each owned topic is taken: the first that is heard, until it is gone.

    Args:
        bus: knows the publishers that run.
        log: gets one warning for every publisher that is ignored.
    """

    def __init__(self, bus: Bus, log: logging.Logger) -> None:
        self._bus, self._log = bus, log
        self._owners: dict[str, int] = {}
        self._ignored: dict[tuple[str, int], str] = {}

    @property
    def reasons(self) -> tuple[str, ...]:
        """Which publishers that still run are ignored."""
        return tuple(
            why for (_, publisher), why in self._ignored.items() if publisher in self._bus.publishers
        )

    def accepts(self, delivery: Delivery) -> bool:
        """Whether the message is one of the owner of its topic, or its topic needs none."""
        topic, publisher = delivery.topic, delivery.envelope.publisher_id
        if not topics.find(topic).owned:
            return True
        owner = self._owners.get(topic, publisher)
        if owner != publisher and owner not in self._bus.publishers:
            owner = publisher
        self._owners[topic] = owner
        if owner == publisher:
            self._ignored.pop((topic, publisher), None)
            return True
        if (topic, publisher) not in self._ignored:
            name, first = (self._bus.publishers.get(each, f"{each:x}") for each in (publisher, owner))
            why = f"{topic} of node '{name}' is ignored: node '{first}' publishes it; stop one of them"
            self._ignored[topic, publisher] = why
            self._log.warning("%s", why)
        return False
