"""Listens to a run, and keeps what judges it: commands, measured states, plans and reports."""

import contextlib
import itertools
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.bench.soak.link import direct
from wm_planner.bench.soak.robots import Robot
from wm_planner.clock import Clock, Deadline, WallClock
from wm_planner.driving.bridges.messages import route_of
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.compiled import numpy_only
from wm_planner.errors import InputError, MessagingError
from wm_planner.messaging import messages as m
from wm_planner.messaging import topics
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.wire import Delivery

_KEPT = 100  # commands, states or plans
_BEYOND_M = 5000.0  # that a car may drive beyond an end of its route

_numbers = itertools.count(1)


class Point(NamedTuple):
    """A command or a measured state.

    Attributes:
        stamp_ns: of the message.
        sent_ns: when it was published.
        sender: number of its publisher, another one after each start.
        sequence: of its publisher; the observer hears new publishers a moment late.
        values: of `Robot.set_point` or `Robot.measured`, (k,).
    """

    stamp_ns: int
    sent_ns: int
    sender: int
    sequence: int
    values: NDArray[np.float64]


class PlanSeen(NamedTuple):
    """A plan: stamp of its observation, when it was published, its number, and whether it is a fallback."""

    stamp_ns: int
    sent_ns: int
    sequence: int
    is_fallback: bool


class Observer:
    """Reads the bus of a domain without a record of its own, so no node waits for it.

    Args:
        domain: of the run.
        robot: whose messages are read.
        is_linked: whether they pass through a `FaultyLink`; they are read before it.

    Attributes:
        commands, states: set-points and measured states since `forget`.
        plans: since `forget`.
        failures: what the nodes last said that they can no longer do, by node.
        starts_ns: stamps at which episodes began, in which the robot was placed.
        heard: numbers of the publishers of commands, plans and latents.
        away_m: last distance of the centre of a car from its route, which goes on straight beyond its ends;
            0 for an arm.
        offset_m: the largest since `forget`.
    """

    def __init__(self, domain: Domain, robot: Robot, is_linked: bool) -> None:
        self.clock: Clock = WallClock()
        self.domain, self._robot = domain, robot
        self.commands: list[Point] = []
        self.states: list[Point] = []
        self.plans: list[PlanSeen] = []
        self.failures: dict[str, str] = {}
        self.heard: set[int] = set()
        self.away_m = self.offset_m = 0.0
        self.starts_ns: list[int] = []
        self._episode = 0
        self._route: Centreline | None = None
        self._bus = Bus(domain, f"soak-{os.getpid()}-{next(_numbers)}", lossless=False, clock=self.clock)
        takes: dict[str, Callable[[Delivery], None]] = {
            robot.command_topic: self._take_command,
            robot.state_topic: self._take_state,
            "/plan": self._take_plan,
            "/latent": lambda delivery: self.heard.add(delivery.envelope.publisher_id),
        }
        self._takes: dict[str, Callable[[Delivery], None]] = {
            "/episode": self._take_episode,
            "/diagnostics": self._take_report,
            "/route": self._take_route,
        }
        for topic, take in takes.items():
            if is_linked:
                topics.add(topics.find(topic)._replace(pattern=direct(topic)))
            self._takes[direct(topic) if is_linked else topic] = take
        for topic in self._takes:
            self._bus.subscribe(topic)
        self._bus.refresh()

    def close(self) -> None:
        self._bus.close(linger_s=0.0)

    def forget(self) -> None:
        """Forget what was seen, but for the last few of each kind."""
        for seen in (self.commands, self.states, self.plans):
            del seen[:-_KEPT]
        self.offset_m = self.away_m

    def look(self, timeout_s: float) -> None:
        """Take in what has arrived, after waiting for it for at most `timeout_s`."""
        self._bus.wait(timeout_s)
        while (delivery := self._bus.receive()) is not None:
            with contextlib.suppress(MessagingError, InputError):
                self._takes[delivery.topic](delivery)

    def wait(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Look on until a condition holds; whether it did in time."""
        deadline = Deadline.after(self.clock, timeout_s)
        while not holds():
            if deadline.left_s() < 0:
                return False
            self.look(0.01)
        return True

    def wait_s(self, seconds: float) -> None:
        """Look on for a time."""
        self.wait(lambda: False, seconds)

    @property
    def now_ns(self) -> int:
        return self.clock.now_ns()

    def normal_plans(self, since_ns: int) -> list[PlanSeen]:
        """The plans that are no fallback, of observations since a time."""
        return [plan for plan in self.plans if not plan.is_fallback and plan.stamp_ns >= since_ns]

    def _take_command(self, delivery: Delivery) -> None:
        message = delivery.message()
        self.heard.add(delivery.envelope.publisher_id)
        self.commands.append(self._point(delivery, message, self._robot.set_point(message)))

    def _take_state(self, delivery: Delivery) -> None:
        message = delivery.message()
        self.states.append(self._point(delivery, message, self._robot.measured(message)))
        if self._route is not None:
            place = message.pose.pose.position
            with numpy_only():
                self.away_m = abs(float(self._route.project(np.array([place.x, place.y])).d))
            self.offset_m = max(self.offset_m, self.away_m)

    def _take_plan(self, delivery: Delivery) -> None:
        message, envelope = delivery.message(), delivery.envelope
        seen = PlanSeen(m.stamp_ns(message), envelope.publish_ns, envelope.sequence, message.fallback)
        self.heard.add(envelope.publisher_id)
        self.plans.append(seen)

    def _take_episode(self, delivery: Delivery) -> None:
        message = delivery.message()
        if message.id != self._episode:
            self._episode = message.id
            self.starts_ns.append(m.stamp_ns(message))

    def _take_route(self, delivery: Delivery) -> None:
        self._route = Centreline(prolonged(route_of(delivery.message()), _BEYOND_M))

    def _take_report(self, delivery: Delivery) -> None:
        for status in delivery.message().status:
            level = status.level if isinstance(status.level, int) else status.level[0]
            self.failures[status.name] = status.message if level >= 2 else ""

    def _point(self, delivery: Delivery, message: m.Message, values: NDArray[np.float64]) -> Point:
        envelope = delivery.envelope
        sender, sequence = envelope.publisher_id, envelope.sequence
        return Point(m.stamp_ns(message), envelope.publish_ns, sender, sequence, values)


def prolonged(line: NDArray[np.float64], by_m: float) -> NDArray[np.float64]:
    """A line (n, 2) in m with a straight piece at each end, (n + 2, 2)."""
    first, last = line[0] - line[1], line[-1] - line[-2]
    ends = [line[at] + by_m * way / np.linalg.norm(way) for at, way in ((0, first), (-1, last))]
    return np.vstack((ends[0], line, ends[1]))
