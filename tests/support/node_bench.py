"""A bench for node programs: one node, its messages in and out by hand, no other process."""

import secrets

from toys import new_domain_name

from wm_planner import share
from wm_planner.clock import ManualClock, nanoseconds
from wm_planner.launching.program_file import node_class
from wm_planner.messaging import codec
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.messages import stamp_ns
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.node.subscriptions import Join, TopicSubscription


class Bench:
    """One node on a domain of its own, with everything it publishes caught."""

    def __init__(self, program, mode, **params):
        self.clock = ManualClock(nanoseconds(100.0))
        self.domain = Domain.named(new_domain_name())
        self.bus = Bus(self.domain, f"n{secrets.token_hex(2)}", lossless=True, clock=self.clock)
        kind = node_class(share.find(program if program.endswith(".py") else f"nodes/{program}.py"))
        self.node = kind(self.bus, kind.Params(**params), mode)
        self.sent, self.heard = [], {}
        self.bus.publish = lambda topic, message, origin_ns=None: self.sent.append((topic, message))
        self.node.configure()
        self.node.enter("inactive")
        self.node.start()

    def hear(self, topic, message, sent=None):
        """Hand a message to the node's subscriptions, and to its joins once their topics have one stamp."""
        sent = sent or envelope(publish_ns=self.clock.now_ns())
        self.heard[topic] = message
        for subscription in list(self.node._subscriptions):
            if isinstance(subscription, TopicSubscription) and subscription.takes(topic):
                subscription.callback(message, sent)
            elif isinstance(subscription, Join) and subscription.takes(topic):
                together = {name: self.heard.get(name) for name in subscription.topics}
                if len({None if each is None else stamp_ns(each) for each in together.values()}) == 1:
                    for name in subscription.topics:  # a set that completes is forgotten, as in a Join
                        del self.heard[name]
                    subscription.callback(together, sent)

    def deliver(self, topic, message):
        """Hand a message over as the bus does; what cannot be used is dropped."""
        kind = codec.type_of(message)
        sent = envelope(publish_ns=self.clock.now_ns())
        self.node._dispatch(iter([Delivery(topic, kind, sent, codec.encode(message))]))

    def take(self, topic):
        """The messages on `topic` since the last call, and forget all others."""
        taken = [message for name, message in self.sent if name == topic]
        self.sent.clear()
        return taken

    def close(self):
        self.node.cleanup()
        self.bus.close(linger_s=0.0)
        self.domain.remove()


def envelope(origin_ns=0, publish_ns=0):
    return Envelope(1, origin_ns, publish_ns, 1, 0)
