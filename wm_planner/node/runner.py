"""One node of a process: its bus, its control channel and its lifecycle."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from wm_planner.clock import WallClock
from wm_planner.config import convert, to_builtins
from wm_planner.errors import WmError
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.control import Activate, Answer, Call, ControlServer, Request, SetParam
from wm_planner.messaging.declarations import add_all
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.exchange import Exchange
from wm_planner.messaging.names import Names
from wm_planner.node.arguments import Arguments
from wm_planner.node.heartbeat import Heartbeat
from wm_planner.node.node import DIAGNOSTICS, Node
from wm_planner.node.parameters import changed
from wm_planner.node.stop_signal import StopSignal

_READERS_S = 20.0
_FINISH_LINGER_S = 5.0  # for the readers of a node that has finished to receive its last messages
_STOP_LINGER_S = 0.7  # the same for a node that was stopped
_CLOSE_S = 60.0  # e.g. to close a recording, and to wait for readers
_INACTIVE_S = 1.0  # between two looks at the control channel, which a request ends


class Runner:
    """Leads a node through its lifecycle.

    Args:
        node: to lead.
        control: its control channel.
        stop: of the process.
    """

    def __init__(self, node: Node, control: ControlServer, stop: StopSignal) -> None:
        self.node = node
        self._control, self._stop = control, stop
        self._used_s = 0.0

    @classmethod
    def of(
        cls,
        node_class: type[Node],
        arguments: Arguments,
        exchange: Exchange,
        stop: StopSignal,
        heartbeat: Heartbeat,
    ) -> Self:
        """The runner of a node that joins its domain.

        Raises:
            WmError: if the arguments do not fit, or the name or the domain cannot be used.
        """
        params = convert(arguments.params, node_class.Params, f"{arguments.name}: params")
        add_all(arguments.topics, f"{arguments.name}: topics")
        bus = Bus(
            Domain.named(arguments.domain),
            arguments.name,
            lossless=arguments.mode == "lockstep",
            clock=WallClock(arguments.epoch_ns),
            names=Names(arguments.namespace, arguments.remap),
            exchange=exchange,
        )
        address = bus.domain.address(bus.name, "ctl")
        control = ControlServer(bus.context, address)
        bus.watch(control.socket, address)
        node = node_class(bus, params, arguments.mode)
        node.heartbeat = heartbeat
        return cls(node, control, stop)

    @property
    def idle_s(self) -> float:
        """How long the node can sleep if no message arrives."""
        return self.node.idle_s() if self.node.state == "active" else _INACTIVE_S

    @property
    def only_reads(self) -> bool:
        """Whether the node publishes nothing but its diagnostics."""
        return self.node.bus.advertised <= {DIAGNOSTICS}

    @property
    def gather_s(self) -> float:
        """How long messages gather at every wake-up."""
        return self.node.gather_s if self.node.mode == "lockstep" else 0.0

    def count_cpu(self) -> None:
        """Let the node report its own share of the CPU time of a process that others share."""
        self.node.cpu_s = lambda: self._used_s

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count the CPU time that the process uses inside as that of this node."""
        started_s = time.process_time()
        try:
            yield
        finally:
            self._used_s += time.process_time() - started_s

    def configure(self) -> None:
        """Make the node inactive.

        Raises:
            WmError: for an error that the user can fix.
        """
        self.node.enter("unconfigured")
        self.node.log.info("configuring")
        self.node.configure()
        self.node.bus.names.check_used()
        self.node.enter("inactive")
        self.node.log.info("inactive")

    def activate(self, request: Activate) -> None:
        """Make the node active once its topics have their readers.

        Raises:
            MessagingError: if they do not come.
        """
        self.node.log.info("waiting for readers of %s", ", ".join(request.readers) or "no topic")
        with self._stop.ends_at_once():  # readers that have been told to stop as well would never come
            self.node.bus.wait_for_readers(request.readers, _READERS_S)
        self.node.log.info("active")
        self.node.start()

    def turn(self) -> None:
        """Carry out a request, or run the callbacks that are due."""
        self.node.heartbeat.beat()
        request = self._control.receive()
        if request is not None:
            self.answer(request)
        elif self.node.state == "active":
            self.node.spin_once()

    def answer(self, request: Request) -> None:
        """Carry a request out; one that cannot be is the tool's problem, except for activation."""
        node = self.node
        try:
            if isinstance(request, Activate):
                self.activate(request)
            elif isinstance(request, SetParam):
                node.change(changed(node, request.name, request.value))
                node.log.info("%s is %s now", request.name, request.value)
            elif isinstance(request, Call):
                node.services.call(request.service, node.name)
        except WmError as error:
            self._control.answer(Answer(error=str(error)))
            if isinstance(request, Activate):
                raise
            node.log.warning("refused: %s", error)
        else:
            self._control.answer(Answer(params=to_builtins(node.params), changeable=node.changeable))

    def close(self, why: str = "") -> None:
        """End the node in whatever state it is, and leave the domain.

        Args:
            why: it ends, for the log; empty after an error.
        """
        node = self.node
        with node.heartbeat.waits(_CLOSE_S):
            try:
                if node.state == "active":
                    node.deactivate()
                if why:
                    node.log.info("finished: %s", why)
            finally:
                self._stop.is_obeyed()
                try:
                    node.cleanup()
                finally:
                    node.state = "finalized"
                    self._control.close()
                    node.bus.close(linger_s=_FINISH_LINGER_S if node.finished else _STOP_LINGER_S)
