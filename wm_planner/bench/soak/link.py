"""A node through which all messages between other nodes pass, and that delays or loses some of them.

A publisher's topic is remapped to `direct(topic)`; this node passes it on under its own name.
"""

import heapq
from typing import Annotated

import msgspec
import numpy as np

from wm_planner.clock import nanoseconds, seconds
from wm_planner.config import Config, Delay, Seed
from wm_planner.messaging import topics
from wm_planner.messaging.wire import Delivery
from wm_planner.node import Node, run

_PREFIX = "/direct"


def direct(topic: str) -> str:
    """The name under which a publisher sends a topic to this node."""
    return _PREFIX + topic


class FaultyLink(Node):
    class Params(Config, frozen=True, kw_only=True):
        """What happens to messages; the order of each topic is kept.

        Attributes:
            topics: that pass.
            delay_s: longest delay of a message; each has another one.
            loss: share of the messages that are dropped.
            seed: of delays and losses.
        """

        topics: tuple[str, ...]
        delay_s: Delay = 0.0
        loss: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0
        seed: Seed = 0

    changeable = ("delay_s", "loss")
    params: Params

    def configure(self) -> None:
        for topic in self.params.topics:
            topics.add(topics.find(topic)._replace(pattern=direct(topic)))
            self.tap(direct(topic), self.take)
        self.out = {direct(topic): self.publisher(topic) for topic in self.params.topics}
        self.rng = np.random.default_rng(self.params.seed)
        self.waiting: list[tuple[int, int, Delivery]] = []
        self.last_ns: dict[str, int] = {}
        self.taken = 0

    def take(self, delivery: Delivery) -> None:
        """Pass a message on, now or later, or drop it; what is latched is never dropped."""
        if self.rng.random() < self.params.loss and not topics.find(delivery.topic).latched:
            return
        due_ns = self.clock.now_ns() + nanoseconds(float(self.rng.uniform(0, self.params.delay_s)))
        due_ns = max(due_ns, self.last_ns.get(delivery.topic, 0))
        self.last_ns[delivery.topic] = due_ns
        self.taken += 1
        heapq.heappush(self.waiting, (due_ns, self.taken, delivery))

    def spin_once(self) -> None:
        super().spin_once()
        while self.waiting and self.waiting[0][0] <= self.clock.now_ns():
            delivery = heapq.heappop(self.waiting)[2]
            self.out[delivery.topic].publish_raw(delivery.data, delivery.envelope.origin_ns)

    def idle_s(self) -> float:
        due_s = seconds(self.waiting[0][0] - self.clock.now_ns()) if self.waiting else 1.0
        return max(0.0, min(super().idle_s(), due_s))


if __name__ == "__main__":
    run(FaultyLink)
