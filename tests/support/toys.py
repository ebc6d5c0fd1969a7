"""Toy nodes and domains that the tests of the bus, the nodes, the launcher and the recordings share."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wm_planner.messaging import messages as m
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.exchange import Exchange
from wm_planner.messaging.images import image
from wm_planner.messaging.names import Names
from wm_planner.messaging.wire import Delivery

PATIENCE_S = 120.0  # until a test fails; no test waits for it to pass

TALKER = '''
import numpy as np
from wm_planner.messaging import messages as m
from wm_planner.messaging.images import image
from wm_planner.config import Config
from wm_planner.node import Node, run


class Talker(Node):
    """Sends tick after tick, each when the last was answered; repeats one that was not."""

    class Params(Config, frozen=True, kw_only=True):
        ticks: int = 20
        stall_s: float = 0.3
        pixels: int = 16

    def configure(self):
        self.goal = self.publisher("/goal")
        self.image = self.publisher("/camera/front/image_raw")
        self.joints = self.publisher("/joint_states")
        self.subscribe("/command", self.on_command)
        self.tick = 0
        self.stall = self.timer(self.params.stall_s, self.send)

    def activate(self):
        blank = m.Path(m.header(0), []), [], "", np.zeros(0, np.uint32)
        self.goal.publish(m.Goal(m.header(0), 7, [], [], [], *blank))
        self.send()

    def send(self):
        size = self.params.pixels
        self.joints.publish(m.joint_state(["a"], [0.5], self.tick))
        self.image.publish(image(np.full((size, size, 3), self.tick % 256, np.uint8), self.tick, "front"))

    def on_command(self, command, envelope):
        if m.stamp_ns(command) == self.tick:
            self.tick += 1
            if self.tick == self.params.ticks:
                self.finish("all ticks were answered")
                return
            self.stall.restart()
            self.send()


if __name__ == "__main__":
    run(Talker)
'''

ANSWERER = '''
import numpy as np
from wm_planner.messaging import messages as m
from wm_planner.messaging.images import image
from wm_planner.config import Config
from wm_planner.node import Node, run


class Answerer(Node):
    """Answers every tick for which it has a goal, a picture and a joint state."""

    class Params(Config, frozen=True, kw_only=True):
        gain: float = 1.0

    def configure(self):
        self.goal = 0
        self.command = self.publisher("/command")
        self.subscribe("/goal", self.on_goal)
        self.join(["/camera/front/image_raw", "/joint_states"], self.on_tick)

    def on_goal(self, goal, envelope):
        self.goal = goal.id
        self.log.info("goal %d", goal.id)

    def on_tick(self, messages, envelope):
        joints = messages["/joint_states"]
        if self.goal:
            answer = m.joint_trajectory(joints.name, joints.position[None], 0.1, m.stamp_ns(joints))
            self.command.publish(answer, envelope.origin_ns)


if __name__ == "__main__":
    run(Answerer)
'''


def write_toys(folder: Path) -> None:
    """Put the toy programs into a folder."""
    (folder / "talker.py").write_text(TALKER)
    (folder / "answerer.py").write_text(ANSWERER)


def new_domain_name() -> str:
    """A name that no other test has."""
    return f"test-{secrets.token_hex(4)}"


class Peers:
    """Buses of this process on one domain, closed together."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self._buses: list[Bus] = []

    def add(
        self,
        name: str,
        *,
        lossless: bool = True,
        names: Names | None = None,
        exchange: Exchange | None = None,
    ) -> Bus:
        """A bus that has declared nothing yet."""
        self._buses.append(Bus(self.domain, name, lossless=lossless, names=names, exchange=exchange))
        return self._buses[-1]

    def join(
        self,
        name: str,
        publishes: str = "",
        subscribes: str = "",
        lossless: bool = True,
        exchange: Exchange | None = None,
    ) -> Bus:
        """A bus with topics given as words."""
        bus = self.add(name, lossless=lossless, exchange=exchange)
        for topic in publishes.split():
            bus.advertise(topic)
        for topic in subscribes.split():
            bus.subscribe(topic)
        bus.announce("active")
        return bus

    def close(self) -> None:
        """Close all that are open."""
        for bus in self._buses:
            bus.close(linger_s=0.0)


def matched(writer: Bus, reader: Bus, topic: str, count: int = 1) -> None:
    """Return once the reader reads the topic."""
    reader.refresh()
    writer.wait_for_readers({topic: count}, PATIENCE_S)


def receive(bus: Bus, *others: Bus) -> Delivery:
    """The next message; other buses of this process are served while it comes."""
    found: list[Delivery] = []

    def arrived() -> bool:
        for other in others:
            other.wait(0.0)
        bus.wait(0.01)
        delivery = bus.receive()
        found.extend([delivery] if delivery is not None else [])
        return bool(found)

    until(arrived)
    return found[0]


def until(condition: Callable[[], bool], every_s: float = 0.002) -> None:
    """Return once the condition holds, which is asked every `every_s`; fail if it does not in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(every_s)


def joint_state(stamp_ns: int) -> m.Message:
    """A small message."""
    return m.joint_state(["a", "b"], [0.25, stamp_ns * 1e-9], stamp_ns)


def picture(stamp_ns: int, size: int = 8, frame_id: str = "front") -> m.Message:
    """A picture whose pixels differ."""
    pixels = np.arange(size * size * 3, dtype=np.uint8).reshape(size, size, 3)
    return image(pixels, stamp_ns, frame_id)
