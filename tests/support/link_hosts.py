"""Two ends of a link, each a program of its own: `python link_hosts.py robot|desk URL FOLDER`.

The robot sends a goal and the pictures of one tick, and prints the actions of the plan that comes back. The
desk perceives and plans. FOLDER holds the keys of both.
"""

import json
import sys
from pathlib import Path

import numpy as np
from node_bench import Bench
from toys import until

from wm_planner.bridges.messages import camera_topic, goal_message
from wm_planner.contracts.observation import Observation
from wm_planner.messaging import codec
from wm_planner.messaging.images import image
from wm_planner.messaging.wire import Delivery, Envelope, frames_of

BUNDLE = "models/bundles/panda_reach_small"
CAMERAS = ("front", "side")
TICK_NS = 1_000_000_000
SENSED = ("/goal", *map(camera_topic, CAMERAS))


def pictures(seed):
    pixels = np.random.default_rng(seed).integers(256, size=(2, 64, 64, 3), dtype=np.uint8)
    return dict(zip(CAMERAS, pixels, strict=True))


def sensed():
    """A goal, and the pictures of the first tick after it."""
    yield "/goal", goal_message(1, Observation(pictures(1)), TICK_NS)
    for camera, pixels in pictures(0).items():
        yield camera_topic(camera), image(pixels, TICK_NS, camera)


class Desk:
    """Perception and planner, and the plans that they publish."""

    def __init__(self):
        self.seeing = Bench("perception", "lockstep", world_model=BUNDLE)
        search = {"planner": {"type": "icem", "horizon": 2}, "costs": [{"type": "latent_goal"}]}
        self.planning = Bench("planner", "lockstep", world_model=BUNDLE, **search)

    def plans_of(self, topic, message):
        """The plans that one message more leads to."""
        self.seeing.hear(topic, message)
        latents, self.seeing.sent = self.seeing.sent, []
        for each in latents:
            self.planning.hear(*each)
        return self.planning.take("/plan")

    def close(self):
        self.seeing.close()
        self.planning.close()


def end_of_link(folder, own, peer, **params):
    """The link node of one host, and the messages of the other one."""
    keys = {"key": str(folder / f"{own}.key_secret"), "peer": str(folder / f"{peer}.key")}
    made, arrived = Bench("link", "realtime", **keys, **params), []
    made.bus.publish_raw = lambda topic, data, origin_ns=None: arrived.append((topic, bytes(data)))
    return made, arrived


def send(made, topic, message):
    """Hand a message of this host to its link, with the type's hash that the bus adds."""
    sent = Envelope(1, 0, 0, 1, frames_of(topic).type_hash)
    made.node._dispatch(iter([Delivery(topic, codec.type_of(message), sent, codec.encode(message))]))


def robot(url, folder):
    made, arrived = end_of_link(folder, "robot", "desk", listen=url, send=SENSED, receive=("/plan",))
    for topic, message in sensed():
        send(made, topic, message)
    until(lambda: made.node.spin_once() or arrived)
    plan = codec.decode("wm_planner_msgs/msg/Plan", arrived[0][1])
    print(json.dumps(np.asarray(plan.actions).tolist()))
    made.close()


def desk(url, folder):
    computing = Desk()
    made, arrived = end_of_link(folder, "desk", "robot", connect=url, send=("/plan",), receive=SENSED)
    while True:
        made.node.spin_once()
        while arrived:
            topic, data = arrived.pop(0)
            kind = "wm_planner_msgs/msg/Goal" if topic == "/goal" else "sensor_msgs/msg/Image"
            for plan in computing.plans_of(topic, codec.decode(kind, data)):
                send(made, "/plan", plan)


if __name__ == "__main__":
    role, url, folder = sys.argv[1:]
    {"robot": robot, "desk": desk}[role](url, Path(folder))
