"""The base class of nodes: parameters, subscriptions, timers and a lifecycle, in one thread.

The lifecycle is that of ROS 2: `configure` leads from unconfigured to inactive, `activate` to active,
`deactivate` and `cleanup` to finalized. Topics are declared in `configure`; callbacks run while active.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, Literal, TypeAlias

from wm_planner.clock import Clock, Deadline
from wm_planner.config import Config
from wm_planner.errors import MessagingError
from wm_planner.messaging import topics
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.wire import Delivery
from wm_planner.node.approximate_join import ApproximateJoin
from wm_planner.node.diagnostics import Unreadable, diagnostics
from wm_planner.node.facts import Facts
from wm_planner.node.health import Input
from wm_planner.node.heartbeat import Heartbeat
from wm_planner.node.owners import Owners
from wm_planner.node.publisher import Publisher
from wm_planner.node.refusals import Refusals
from wm_planner.node.services import Services
from wm_planner.node.subscriptions import (
    Callback,
    Join,
    JoinCallback,
    Subscription,
    Tap,
    TapCallback,
    TopicSubscription,
)
from wm_planner.node.timers import Timer, Timers

Mode: TypeAlias = Literal["lockstep", "realtime"]
State: TypeAlias = Literal["unconfigured", "inactive", "active", "finalized"]

DIAGNOSTICS = "/diagnostics"
_DIAGNOSTICS_PERIOD_S = 1.0
_QUIET_S = 0.05
_BATCH = 256  # messages handled between two looks at timers; realtime reads all before it calls back


class Node:
    """Base class of nodes; a program in `nodes/` derives one class and passes it to `run`.

    Attributes:
        Params: class of its parameters, which a launch file sets.
        params: the parameters.
        changeable: names of the parameters that can change while the node runs; see `change`.
        gather_s: in lockstep, how long the node lets messages gather at every wake-up, where it has a process
            of its own.
        alone_in_realtime: whether it may share its process with others only in lockstep, because it must keep
            its rate while they compute.
        unreplayed: why a recording cannot be fed to the node; empty for a node whose outputs follow from its
            inputs alone.
        mode: "lockstep" or "realtime".
        clock: monotonic wall time.
        log: logger of the node's log file.
        inputs: statistics of the received messages, by topic.
        diagnostics: values to publish on /diagnostics in addition to the health of the inputs and CPU time.
        services: what tools may call while it is active; filled in `configure`.
        failure: what this node can no longer do although it runs on; an error on /diagnostics.
        heartbeat: a callback that sleeps until something other than a message comes, such as the answer of
            another machine, tells so by `with self.heartbeat.waits(seconds)`; else it counts as hanging.
        finished: the reason for which the node has finished; None before.
        cpu_s: returns the CPU time that the node has used, in s; that of its process, unless others share it.
    """

    Params: ClassVar[type[Config]] = Config
    changeable: ClassVar[tuple[str, ...]] = ()
    gather_s: ClassVar[float] = 0.0
    alone_in_realtime: ClassVar[bool] = False
    unreplayed: ClassVar[str] = ""
    params: Any

    def __init__(self, bus: Bus, params: Config, mode: Mode) -> None:
        self.bus = bus
        self.name = bus.name
        self.params = params
        self.mode = mode
        self.clock: Clock = bus.clock
        self.log = logging.getLogger(bus.name)
        self.state: State = "unconfigured"
        self.inputs: dict[str, Input] = {}
        self.diagnostics: dict[str, str] = {}
        self.failure = ""
        self.heartbeat = Heartbeat()
        self.finished: str | None = None
        self.cpu_s: Callable[[], float] = time.process_time
        self._subscriptions: list[Subscription] = []
        self._takers: dict[str, list[Subscription]] = {}
        self.services = Services()
        self._refusals = Refusals(self.clock, self.log, is_lockstep=mode == "lockstep")
        self._timers = Timers(self._refusals)
        self._owners = Owners(bus, self.log)
        self._unreadable = Unreadable(bus, self.inputs, self.log)
        self._report = self.publisher(DIAGNOSTICS)
        self.timer(_DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)

    @classmethod
    def check(cls, params: Any) -> None:
        """Refuse parameters that cannot work, such as a missing file, before any process starts.

        Args:
            params: a `Params` of this class.

        Raises:
            WmError: naming the parameter and the problem.
        """

    @classmethod
    def facts(cls, params: Any) -> Facts:
        """What this node states about a run, to be compared with the other nodes before `check` is called."""
        return Facts()

    def configure(self) -> None:
        """Declare topics, load models, warm up."""

    def activate(self) -> None:
        """Start publishing; all readers are connected."""

    def deactivate(self) -> None:
        """Stop publishing; called once after `activate`, even if the node fails."""

    def cleanup(self) -> None:
        """Release what `configure` acquired; called even if `configure` failed."""

    def change(self, params: Any) -> None:
        """Use other parameters from now on; called between callbacks.

        Args:
            params: a `Params` that differs from the current one in a `changeable` parameter.

        Raises:
            WmError: if it cannot; the current ones stay in force.
        """
        self.params = params

    def publisher(self, topic: str) -> Publisher:
        """Declare a topic to publish.

        Raises:
            MessagingError: if the topic is unknown.
        """
        self.bus.advertise(topic)
        return Publisher(topic, self.bus, lambda: self.state)

    def subscribe(self, topic: str, callback: Callback, rate_hz: float | None = None) -> None:
        """Call `callback(message, envelope)` for every message; in realtime, if the topic is `latest_only`,
        only for the newest one that waits. A message for which it raises one of `refusals.UNUSABLE`, in
        realtime also of `refusals.UNFORESEEN`, is dropped, and the node goes on. Topics that have an owner
        (`topics.Topic.owned`) are taken from one publisher at a time.

        Args:
            topic: a topic of the table.
            callback: runs while the node is active.
            rate_hz: expected rate in realtime, for the health of the input; None for events.
        """
        self._add_input(topic, rate_hz)
        self._add(TopicSubscription(topic, callback, self._takes_latest(topic)))

    def join(
        self,
        names: Sequence[str],
        callback: JoinCallback,
        rate_hz: float | None = None,
        slop_s: float | None = None,
    ) -> None:
        """Call `callback({topic: message}, envelope)` for messages of all topics with the same stamp; in
        realtime with about the same, see `ApproximateJoin`, and only for the newest complete set. The
        envelope is that of the oldest origin.

        Args:
            names: topics of the table.
            callback: runs while the node is active.
            rate_hz: expected rate of the sets in realtime.
            slop_s: how far stamps may lie from the middle of their set in realtime; None for half the period
                of the fastest topic.
        """
        latest_only = all(self._takes_latest(topic) for topic in names)
        period_s = None if rate_hz is None else 1 / rate_hz
        subscription = (
            Join(names, callback, latest_only)
            if self.mode == "lockstep"
            else ApproximateJoin(names, callback, latest_only, period_s, slop_s)
        )
        for topic in names:
            self._add_input(topic, rate_hz)
        self._add(subscription)

    def tap(self, topic: str, callback: TapCallback) -> None:
        """Call `callback(delivery)` for every message of a topic, or of `wire.ANY`, undecoded."""
        self.bus.subscribe(topic)
        self._add(Tap(topic, callback))

    def timer(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Call `callback()` every `period_s` of wall time while active, in both modes. A call that raises an
        error for which `subscribe` drops a message is counted, and the next one comes after another period.
        """
        return self._timers.add(Timer(self.clock, period_s, callback))

    def finish(self, reason: str) -> None:
        """End this node successfully after the current callback."""
        self.finished = reason

    def enter(self, state: State) -> None:
        """Enter a lifecycle state and publish it in the domain."""
        self.state = state
        self.bus.announce(state)

    def start(self) -> None:
        """Become active and restart all timers."""
        self.enter("active")
        self._timers.restart()
        self.activate()

    def spin_once(self) -> None:
        """Run the callbacks of received messages and of due timers."""
        arrived = islice(self._arrivals(), _BATCH)
        if self.mode == "realtime":
            self._dispatch(arrived)
        else:
            for delivery in arrived:
                self._dispatch((delivery,))
        for timer in self._timers:
            if self.finished is None:
                self.heartbeat.beat()
                self._timers.fire_if_due(timer)

    def drain(self, timeout_s: float) -> None:
        """Run the callbacks of messages that still arrive, until none do, for at most `timeout_s`."""
        deadline = Deadline.after(self.clock, timeout_s)
        quiet = Deadline.after(self.clock, _QUIET_S)
        while deadline.left_s() > 0 and quiet.left_s() > 0:
            self.bus.wait(quiet.left_s())
            for delivery in islice(self._arrivals(), _BATCH):
                self._dispatch((delivery,))
                quiet = Deadline.after(self.clock, _QUIET_S)

    def idle_s(self) -> float:
        """How long the node can sleep if no message arrives."""
        return max(0.0, self._timers.left_s())

    def _arrivals(self) -> Iterator[Delivery]:
        while (delivery := self.bus.receive()) is not None:
            yield delivery

    def _dispatch(self, deliveries: Iterable[Delivery]) -> None:
        calls: dict[object, tuple[Subscription, tuple[Delivery, ...]]] = {}
        for delivery in deliveries:
            is_owners = self._owners.accepts(delivery)
            if delivery.topic in self.inputs and is_owners:
                self.inputs[delivery.topic].receive()
            for subscription in self._takers_of(delivery.topic):
                if not (is_owners or isinstance(subscription, Tap)):  # a recorder takes what is ignored too
                    continue
                ready = self._offer(subscription, delivery)
                if ready:
                    key = subscription if subscription.latest_only else object()
                    calls.pop(key, None)
                    calls[key] = (subscription, ready)
        for subscription, ready in calls.values():
            if self.finished is None:
                self._call(subscription, ready)

    def _takers_of(self, topic: str) -> list[Subscription]:
        """The subscriptions that a topic belongs to."""
        if topic not in self._takers:
            self._takers[topic] = [each for each in self._subscriptions if each.takes(topic)]
        return self._takers[topic]

    def _add(self, subscription: Subscription) -> None:
        self._subscriptions.append(subscription)
        self._takers.clear()

    def _offer(self, subscription: Subscription, delivery: Delivery) -> tuple[Delivery, ...]:
        """Add a message to a subscription, and log once if its messages do not match."""
        known = subscription.mismatch
        ready = subscription.offer(delivery)
        if subscription.mismatch and not known:
            self.log.warning("%s", subscription.mismatch)
        return ready

    def _call(self, subscription: Subscription, deliveries: tuple[Delivery, ...]) -> None:
        """Call back with decoded messages; those that cannot be used are dropped, and the node goes on."""
        self.heartbeat.beat()
        try:
            arguments = subscription.open(deliveries)
        except MessagingError as error:
            return self._refuse(subscription, deliveries, error)
        if (failed := self._refusals.attempt(subscription.callback, *arguments)) is not None:
            return self._refuse(subscription, deliveries, failed)
        return self._refusals.end(subscription)

    def _refuse(self, subscription: Subscription, deliveries: tuple[Delivery, ...], error: Exception) -> None:
        names = [delivery.topic for delivery in deliveries]
        for topic in names:
            if topic in self.inputs:  # taps have none
                self.inputs[topic].reject()
        what = ", ".join(names)
        self._refusals.add(subscription, error, f"dropped {what}", f"{what} can be used again")

    def _add_input(self, topic: str, rate_hz: float | None) -> None:
        self.bus.subscribe(topic)
        expected = rate_hz if self.mode == "realtime" else None
        self.inputs.setdefault(topic, Input(self.clock, expected))

    def _takes_latest(self, topic: str) -> bool:
        return self.mode == "realtime" and topics.find(topic).latest_only

    def _publish_diagnostics(self) -> None:
        faults = [each.mismatch for each in self._subscriptions if each.mismatch]
        faults += [*self._refusals.reasons, *self._owners.reasons, *self._unreadable.look()]
        values = {**self.diagnostics, **self._timers.failures}
        self._report.publish(
            diagnostics(self.name, self.cpu_s(), self.failure, faults, values, self.inputs, self.bus.gaps)
        )
