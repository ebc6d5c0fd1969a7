"""The base of every node: parameters, ports, timers and a lifecycle, in one thread.

The lifecycle is ROS 2's: `configure` leads from unconfigured to inactive, `activate` to active,
`deactivate` and `cleanup` to finalized. Ports are declared in `configure`; callbacks run while active.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, Literal, TypeAlias

from wm_planner.clock import Clock, Deadline, nanoseconds, seconds
from wm_planner.config import Config
from wm_planner.errors import MessagingError, NodeError
from wm_planner.messaging import topics
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.messages import (
    DiagnosticArray,
    DiagnosticStatus,
    KeyValue,
    Message,
    header,
)
from wm_planner.messaging.wire import Delivery
from wm_planner.node.health import Input
from wm_planner.node.subscriptions import (
    Callback,
    Join,
    JoinCallback,
    Port,
    Subscription,
    Tap,
    TapCallback,
)

Mode: TypeAlias = Literal["lockstep", "realtime"]
State: TypeAlias = Literal["unconfigured", "inactive", "active", "finalized"]

DIAGNOSTICS = "/diagnostics"
_DIAGNOSTICS_PERIOD_S = 1.0
_QUIET_S = 0.05
_BATCH = 256  # messages taken in before callbacks run, so that the newest of them is known


class Publisher:
    """A topic that a node publishes."""

    def __init__(self, node: "Node", topic: str) -> None:
        self.topic = topic
        self._node = node

    def publish(self, message: Message, origin_ns: int | None = None) -> None:
        """Send a message.

        Args:
            message: of the topic's type.
            origin_ns: the `origin_ns` of the envelope it stems from; None where it is sensor input itself.

        Raises:
            NodeError: if the node is not active.
            MessagingError: if it is of another type or malformed.
        """
        if self._node.state != "active":
            raise NodeError(f"node '{self._node.name}' publishes {self.topic} while {self._node.state}")
        self._node.bus.publish(self.topic, message, origin_ns)


class Timer:
    """A callback every `period_s` of wall time, in both modes; late ones are not made up for."""

    def __init__(self, clock: Clock, period_s: float, callback: Callable[[], None]) -> None:
        self.period_s = period_s
        self.callback = callback
        self._clock = clock
        self._due_ns = 0
        self.restart()

    def restart(self) -> None:
        """Wait a whole period from now."""
        self._due_ns = self._clock.now_ns() + nanoseconds(self.period_s)

    def left_s(self) -> float:
        """Seconds until it is due."""
        return seconds(self._due_ns - self._clock.now_ns())

    def fire_if_due(self) -> None:
        """Call back if it is time."""
        now_ns, period_ns = self._clock.now_ns(), nanoseconds(self.period_s)
        if now_ns >= self._due_ns:
            self._due_ns += ((now_ns - self._due_ns) // period_ns + 1) * period_ns
            self.callback()


class Node:
    """A node; a program in `nodes/` derives one class from it and calls `run`.

    Attributes:
        Params: the struct of its parameters; a launch file fills it.
        params: the parameters.
        mode: "lockstep" or "realtime".
        clock: monotonic wall time.
        log: goes to the node's log file.
        inputs: topic to what came in, for its health.
        diagnostics: what the node wants to tell on /diagnostics beside the health of its inputs and its
            CPU time.
        finished: why the node has done its work, or None.
    """

    Params: ClassVar[type[Config]] = Config
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
        self.finished: str | None = None
        self._ports: list[Port] = []
        self._timers: list[Timer] = []
        self._report = self.publisher(DIAGNOSTICS)
        self.timer(_DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)

    @classmethod
    def check(cls, params: Any) -> None:
        """Refuse, before anything is started, parameters that cannot work: a file that is not there.

        Args:
            params: a `Params` of this class.

        Raises:
            WmError: saying what is wrong with which parameter.
        """

    def configure(self) -> None:
        """Declare ports, load models, warm up."""

    def activate(self) -> None:
        """Start: every reader of what is published is there."""

    def deactivate(self) -> None:
        """Stop publishing; called once after `activate`, however the run ends."""

    def cleanup(self) -> None:
        """Close what `configure` opened; called even if `configure` failed half-way."""

    def publisher(self, topic: str) -> Publisher:
        """Declare a topic to publish.

        Raises:
            MessagingError: if the table does not have it.
        """
        self.bus.advertise(topic)
        return Publisher(self, topic)

    def subscribe(self, topic: str, callback: Callback, rate_hz: float | None = None) -> None:
        """Call `callback(message, envelope)` for every message; in realtime, where the table says so, for
        the newest of those that wait.

        Args:
            topic: a topic of the table.
            callback: runs while the node is active.
            rate_hz: expected rate in realtime, for the health of the input; None for events.
        """
        self._listen(topic, rate_hz)
        self._ports.append(Subscription(topic, callback, self._takes_latest(topic)))

    def join(self, names: Sequence[str], callback: JoinCallback, rate_hz: float | None = None) -> None:
        """Call `callback({topic: message}, envelope)` when one message of each topic has the same stamp;
        in realtime for the newest set that waits. The envelope is that of the oldest origin.
        """
        port = Join(names, callback, all(self._takes_latest(topic) for topic in names))
        for topic in names:
            self._listen(topic, rate_hz)
        self._ports.append(port)

    def tap(self, topic: str, callback: TapCallback) -> None:
        """Call `callback(delivery)` for every message of a topic, or of `wire.ANY`, not decoded."""
        self.bus.subscribe(topic)
        self._ports.append(Tap(topic, callback))

    def timer(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Call back every `period_s` of wall time while active, in both modes."""
        timer = Timer(self.clock, period_s, callback)
        self._timers.append(timer)
        return timer

    def finish(self, reason: str) -> None:
        """End this node with success once the callback returns."""
        self.finished = reason

    def enter(self, state: State) -> None:
        """Take a lifecycle state and tell the domain."""
        self.state = state
        self.bus.announce(state)

    def start(self) -> None:
        """Become active: timers count from now."""
        self.enter("active")
        for timer in self._timers:
            timer.restart()
        self.activate()

    def spin_once(self) -> None:
        """Run the callbacks of what has come in, and of timers that are due."""
        self._dispatch(islice(self._arrivals(), _BATCH if self.mode == "realtime" else 1))
        for timer in self._timers:
            if self.finished is None:
                timer.fire_if_due()

    def drain(self, timeout_s: float) -> None:
        """Run the callbacks of everything that still comes in, until it is quiet, for at most `timeout_s`."""
        deadline = Deadline.after(self.clock, timeout_s)
        quiet = Deadline.after(self.clock, _QUIET_S)
        while deadline.left_s() > 0 and quiet.left_s() > 0:
            self.bus.wait(quiet.left_s())
            for delivery in islice(self._arrivals(), _BATCH):
                self._dispatch(iter((delivery,)))
                quiet = Deadline.after(self.clock, _QUIET_S)

    def idle_s(self) -> float:
        """How long the node can sleep if nothing comes in."""
        return max(0.0, min(timer.left_s() for timer in self._timers))

    def _arrivals(self) -> Iterator[Delivery]:
        while (delivery := self.bus.receive()) is not None:
            yield delivery

    def _dispatch(self, deliveries: Iterator[Delivery]) -> None:
        calls: dict[object, tuple[Port, tuple[Delivery, ...]]] = {}
        for delivery in deliveries:
            if delivery.topic in self.inputs:
                self.inputs[delivery.topic].receive()
            for port in self._ports:
                ready = self._offer(port, delivery) if port.takes(delivery.topic) else ()
                if ready:
                    key = port if port.latest_only else object()
                    calls.pop(key, None)
                    calls[key] = (port, ready)
        for port, ready in calls.values():
            if self.finished is None:
                self._call(port, ready)

    def _offer(self, port: Port, delivery: Delivery) -> tuple[Delivery, ...]:
        """What a port makes a call of, saying so once where messages do not fit together."""
        known = port.mismatch
        ready = port.offer(delivery)
        if port.mismatch and not known:
            self.log.warning("%s", port.mismatch)
        return ready

    def _call(self, port: Port, deliveries: tuple[Delivery, ...]) -> None:
        try:
            arguments = port.open(deliveries)
        except MessagingError as error:
            self.log.warning("dropped: %s", error)
            for delivery in deliveries:
                self.inputs[delivery.topic].reject()
            return
        port.callback(*arguments)

    def _listen(self, topic: str, rate_hz: float | None) -> None:
        self.bus.subscribe(topic)
        expected = rate_hz if self.mode == "realtime" else None
        self.inputs.setdefault(topic, Input(self.clock, expected))

    def _takes_latest(self, topic: str) -> bool:
        return self.mode == "realtime" and topics.find(topic).latest_only

    def _publish_diagnostics(self) -> None:
        values = {"cpu_s": f"{time.process_time():.3f}", **self.diagnostics}
        faults = [port.mismatch for port in self._ports if port.mismatch]
        for topic, heard in self.inputs.items():
            health = heard.health()
            faults += [f"{topic} not {name}" for name, holds in health._asdict().items() if not holds]
            values[f"{topic} messages"] = str(heard.count)
            values[f"{topic} rate_hz"] = f"{heard.mean_rate_hz():.3g}"
            values[f"{topic} lost"] = str(self.bus.gaps.get(topic, 0))
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if faults else DiagnosticStatus.OK,
            name=self.name,
            message=", ".join(faults) or "ok",
            hardware_id="",
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        self._report.publish(DiagnosticArray(header=header(time.time_ns()), status=[status]))
