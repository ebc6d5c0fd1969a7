"""The link node: topics of this domain to a node of the same kind on another host, and topics from there."""

from pathlib import Path

from wm_planner.config import Config
from wm_planner.errors import ConfigError, MessagingError
from wm_planner.messaging import topics
from wm_planner.messaging.keys import own_keys, public_key
from wm_planner.messaging.link import Address, Head, Link
from wm_planner.messaging.wire import Delivery, frames_of
from wm_planner.node import Node, run

_LOOK_MS = 100


class LinkNode(Node):
    class Params(Config, frozen=True, kw_only=True):
        """The other host, and the topics in both directions.

        Attributes:
            listen: own address that the other host connects to, e.g. `tcp://*:7447`.
            connect: address of the other host, if that one listens.
            key: file with the secret key of this host; needed beyond this machine.
            peer: file with the public key of the other host.
            send: topics that go to the other host.
            receive: topics that come from there.
        """

        listen: str = ""
        connect: str = ""
        key: str = ""
        peer: str = ""
        send: tuple[str, ...] = ()
        receive: tuple[str, ...] = ()

        def address(self) -> Address:
            """The end of the link that these parameters describe."""
            if bool(self.listen) == bool(self.connect):
                raise ConfigError("link: params: wanted either `listen` or `connect`")
            keys = own_keys(Path(self.key)) if self.key else None
            peer = public_key(Path(self.peer)) if self.peer else None
            return Address(self.listen or self.connect, bool(self.listen), keys, peer)

    unreplayed = "what it publishes comes from another host"
    params: Params

    @classmethod
    def check(cls, params: Params) -> None:
        params.address()
        both = sorted(set(params.send) & set(params.receive))
        if both:
            raise ConfigError(f"link: params: {', '.join(both)} cannot be sent and received")
        for topic in (*params.send, *params.receive):
            topics.find(topic)

    def configure(self) -> None:
        """Declare the topics, and wait for the other host, so that its first message is not lost."""
        self.refused: set[str] = set()
        self.dropped = 0
        for topic in self.params.send:
            self.tap(topic, self.forward)
        self.out = {topic: self.publisher(topic) for topic in self.params.receive}
        self.link = Link(self.bus.context, self.params.address())
        self.log.info("waiting for the other host at %s", self.link.url)
        while not self.link.is_met:
            self.link.greet()
            self.link.socket.poll(_LOOK_MS)
            self.link.receive()
        self.bus.wake_on(self.link.socket)

    def forward(self, delivery: Delivery) -> None:
        """Send a message of this domain; its age travels with it."""
        age_ns = self.clock.now_ns() - delivery.envelope.origin_ns
        if not self.link.send(Head(delivery.topic, age_ns, delivery.envelope.type_hash), delivery.data):
            self.dropped += 1
            self.diagnostics["dropped"] = str(self.dropped)

    def spin_once(self) -> None:
        super().spin_once()
        try:
            while (linked := self.link.receive()) is not None:
                self.publish(linked.head, linked.data)
        except MessagingError as error:
            self.refuse("", str(error))

    def publish(self, head: Head, data: bytes) -> None:
        """Publish a message of the other host, if it is one that is expected from there."""
        if head.topic not in self.out:
            self.refuse(head.topic, f"{head.topic} comes from the other host and is not in `receive`")
        elif head.type_hash != frames_of(head.topic).type_hash:
            self.refuse(
                head.topic, f"{head.topic} has another type on the other host; run one version of both"
            )
        else:
            self.out[head.topic].publish_raw(data, self.clock.now_ns() - max(head.age_ns, 0))

    def refuse(self, topic: str, reason: str) -> None:
        """Drop a message, and say why once per topic."""
        if topic not in self.refused:
            self.log.warning("dropped: %s", reason)
        self.refused.add(topic)

    def cleanup(self) -> None:
        if hasattr(self, "link"):
            self.link.close()


if __name__ == "__main__":
    run(LinkNode)
