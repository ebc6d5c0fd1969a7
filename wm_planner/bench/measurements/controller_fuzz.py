"""Broken messages into a controller node: what it refuses, and what its set-points keep."""

import logging
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from rich.table import Table

from wm_planner import share
from wm_planner.bench.measurements.broken_messages import broken
from wm_planner.bench.measurements.fuzzed_robots import RATE_HZ, ROUNDING, STEP_NS, FuzzedRobot, robot_of
from wm_planner.clock import nanoseconds
from wm_planner.errors import WmError, describe
from wm_planner.evaluation.replay.bus import ReplayBus
from wm_planner.launching.program_file import node_class
from wm_planner.messaging import codec, topics
from wm_planner.messaging import messages as m
from wm_planner.messaging.messages import Message
from wm_planner.messaging.names import Names
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.node.node import Node
from wm_planner.terminal import table

OWNER, INTRUDER = 1, 2  # publishers of plans
GOOD = 0.1  # share of plans and states that are not broken
PER_STEP = 8  # messages between two set-points, at most
DELAY_NS = nanoseconds(0.7)  # that a plan may be late, at most
BREAK_OFF = 1e-4  # share of steps before which the node gets no time for a while
PAUSE_NS = nanoseconds(0.5)
UNFORESEEN = "an error that the node did not foresee"


class FuzzRow(msgspec.Struct, frozen=True):
    """What came of the messages.

    Attributes:
        messages, set_points: how many there were.
        followed: messages after which the robot followed a plan.
        refused: number of messages by the reason for which they were refused, or the robot held for them.
        used: largest share of each limit that a set-point used.
        beyond: set-points beyond a limit, with the number of the message before.
        cpu_s: CPU time of all.
    """

    messages: int
    set_points: int
    followed: int
    refused: dict[str, int]
    used: dict[str, float]
    beyond: tuple[str, ...]
    cpu_s: float

    @property
    def unforeseen(self) -> int:
        """Messages for which the node raised an error that is not about them."""
        return sum(count for reason, count in self.refused.items() if reason.startswith(UNFORESEEN))


class FuzzBus(ReplayBus):
    """The bus of a node that hears one message at a time.

    Attributes:
        sent: the last message that the node published, by topic.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, Names(), frozenset())
        self.publishers = {OWNER: "planner", INTRUDER: "intruder"}
        self.sent: dict[str, Message] = {}

    def publish(self, topic: str, message: Message, origin_ns: int | None = None) -> None:
        codec.encode(message)  # raises for what has no bytes
        self.sent[topic] = message


def fuzz(robot: str, messages: int, seed: int = 0) -> FuzzRow:
    """Send broken messages to the controller of a robot, and good ones among them.

    Args:
        robot: MJCF file of an arm, or name of a vehicle.
    """
    logging.getLogger(_NAME).setLevel(logging.CRITICAL)
    fuzzed = _Fuzz(robot_of(robot), random.Random(seed))
    began_s = time.process_time()
    try:
        fuzzed.run(messages)
    finally:
        fuzzed.close()
    return FuzzRow(
        messages=fuzzed.messages,
        set_points=fuzzed.set_points,
        followed=fuzzed.followed,
        refused=dict(fuzzed.refused.most_common()),
        used=fuzzed.used,
        beyond=tuple(fuzzed.beyond),
        cpu_s=time.process_time() - began_s,
    )


def fuzz_tables(row: FuzzRow, robot: str) -> Sequence[Table]:
    kept = table(
        f"{robot}: {row.messages} messages to its controller, {row.set_points} set-points at {RATE_HZ:g} Hz",
        *("limit", "largest share used"),
    )
    for name, share_ in row.used.items():
        kept.add_row(name, f"{share_:.3f}")
    kept.add_row("set-points beyond a limit", str(len(row.beyond)))
    kept.add_row("messages followed", str(row.followed))
    kept.add_row("CPU of a message", f"{1e6 * row.cpu_s / row.messages:.0f} us")
    reasons = table("messages refused, or held for", "reason", "messages")
    for reason, count in row.refused.items():
        reasons.add_row(reason, str(count))
    return kept, reasons


_NAME = "fuzzed_controller"
_LONGEST = 100  # characters of a reason
_VALUES = (
    (r" holds .*?, (which|a car|its sender)", r" holds .., \1"),
    (r"(bytes are not a \S+?): .*", r"\1"),
    (r" of [^:]*? is (not|#|nan|-?inf|[-\d])", r" of .. is \1"),
    (r"\[.*?\]|'.*?'|\(.*?\)", ".."),
    (r"[-+]?\b(\d[\w.+-]*|nan|inf)\b", "#"),
)
"""What varies in the reasons for which messages are refused, and what stands for it."""


class _Fuzz:
    """One controller node on a clock that is moved by hand; see `FuzzRow`."""

    def __init__(self, robot: FuzzedRobot, draw: random.Random) -> None:
        self.robot, self.draw, self.bus = robot, draw, FuzzBus(_NAME)
        self.is_owned = False  # the first publisher of plans that a node hears owns them
        self.messages = self.set_points = self.followed = self.number = 0
        self.refused: Counter[str] = Counter()
        self.used: dict[str, float] = {}
        self.beyond: list[str] = []
        self.since_first, self.stamps = 0, [0]
        self.bus.clock.set_ns(nanoseconds(1000.0))
        kind = node_class(share.find("nodes/controller.py"))
        params = msgspec.convert({"control": robot.control, "control_dt_s": robot.period_s}, kind.Params)
        self.node: Any = _counting(kind, self.refused)(self.bus, params, "realtime")
        self.node.enter("unconfigured")
        self.node.configure()
        self.node.enter("inactive")
        self.node.start()

    def run(self, messages: int) -> None:
        self.observe()
        while self.messages < messages:
            for _ in range(self.draw.randint(1, PER_STEP)):
                self.send()
            self.step()
            if self.draw.random() < STEP_NS / nanoseconds(self.robot.period_s):
                self.observe()

    def close(self) -> None:
        self.node.cleanup()
        self.bus.close()

    def send(self) -> None:
        """Let the node hear one message, and count what came of it."""
        topic, message = self._drawn()
        is_good = self.draw.random() < GOOD and topic in ("/plan", self.robot.topics[0])
        data = codec.encode(message) if is_good else broken(message, self.draw)
        intrudes = topic == "/plan" and self.draw.random() < 0.05 and self.is_owned
        publisher = INTRUDER if intrudes else OWNER
        before, episode = self.node.plan, self.node.episode
        self._hear(topic, data, publisher)
        if self.node.episode != episode:
            self.since_first = 0  # a car is where it is measured
        is_taken = self.node.plan is not None and self.node.plan is not before
        if publisher == INTRUDER:
            self.refused["of a publisher that does not own the topic"] += 1
            if is_taken:
                self.beyond.append(f"message {self.messages}: the plan of an intruder was taken")
        elif is_taken:
            self.is_owned = True
            self.followed += not self.node.holding

    def observe(self) -> None:
        """Let the node measure the robot where it is."""
        now_ns = self.bus.clock.now_ns()
        self.stamps = [*self.stamps[-DELAY_NS // nanoseconds(self.robot.period_s) :], now_ns]
        self._hear(self.robot.topics[0], codec.encode(self.robot.state(now_ns)), OWNER)

    def step(self) -> None:
        """Let the time of one set-point pass, and compare it with the limits."""
        pause_ns = PAUSE_NS if self.draw.random() < BREAK_OFF else 0
        self.bus.clock.set_ns(self.bus.clock.now_ns() + STEP_NS + pause_ns)
        self.bus.sent.clear()
        self.node.spin_once()
        command = self.bus.sent.get(self.robot.topics[1])
        if command is None:
            self.since_first = 0
            return
        self.set_points += 1
        for name, share_ in self.robot.follow(command, self.since_first).items():
            self.used[name] = max(self.used.get(name, 0.0), share_)
            if share_ > 1 + ROUNDING:
                self.beyond.append(f"message {self.messages}: {share_:.6g} of its {name}")
        self.since_first += 1

    def _drawn(self) -> tuple[str, Message]:
        """The topic and the content of the next message, before it is broken."""
        now_ns, kind = self.bus.clock.now_ns() - self.draw.randrange(STEP_NS), self.draw.random()
        if kind < 0.8:
            self.number += 1
            stamp_ns = self.stamps[-1] if self.draw.random() < 0.7 else self.draw.choice(self.stamps)
            return "/plan", self.robot.plan(self.number, stamp_ns, self.draw)
        if kind < 0.995:
            return self.robot.topics[0], self.robot.state(now_ns)
        if kind < 0.999:
            return "/episode", m.running_episode(1 + self.number // 1000, now_ns)
        return "/emergency_stop", m.Bool(data=True)

    def _hear(self, topic: str, data: bytes, publisher: int) -> None:
        self.messages += 1
        envelope = Envelope(self.messages, 0, self.bus.clock.now_ns(), publisher, 0)
        self.bus.feed(Delivery(topic, topics.find(topic).type, envelope, data))
        self.bus.sent.clear()
        self.node.spin_once()
        if self.node.emergency.is_latched and self.draw.random() < 0.1:
            self.node.services.call("reset_emergency_stop", _NAME)


def _counting(kind: type[Node], refused: Counter[str]) -> Callable[..., Any]:
    """The class of a controller node that counts why it refuses messages and why it holds."""

    class Counting(kind):  # type: ignore[valid-type, misc]
        def _refuse(self, subscription: Any, deliveries: Any, error: Exception) -> None:
            self.count(error)
            super()._refuse(subscription, deliveries, error)

        def timer(self, period_s: float, callback: Callable[[], None]) -> Any:
            def counted() -> None:
                try:
                    callback()
                except Exception as error:
                    self.count(error)
                    raise

            return super().timer(period_s, counted)

        def count(self, error: Exception) -> None:
            text = str(error) if isinstance(error, WmError) else f"{UNFORESEEN}: {describe(error)}"
            refused[_class_of(text)] += 1

        def why_stale(self, plan: Message, envelope: Envelope) -> str:
            reason: str = super().why_stale(plan, envelope)
            refused.update([_class_of(reason)] if reason else [])
            return reason

        def stop(self, reason: str) -> None:
            refused[f"held: {_class_of(reason)}"] += 1
            super().stop(reason)

        def stop_blindly(self, fault: str) -> None:
            refused[f"held: {_class_of(fault)}"] += 1
            super().stop_blindly(fault)

    return Counting


def _class_of(reason: str) -> str:
    """A reason without its values."""
    text = reason.replace("\0", "")
    for pattern, words in _VALUES:
        text = re.sub(pattern, words, text, flags=re.DOTALL)
    return text[:_LONGEST].strip()
