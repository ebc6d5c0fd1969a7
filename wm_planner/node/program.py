"""The main function of node programs: arguments, signals, lifecycle, exit code."""

import contextlib
import ctypes
import faulthandler
import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import msgspec

from wm_planner.allocator import keep_freed_memory
from wm_planner.clock import WallClock
from wm_planner.config import Config, convert, to_builtins
from wm_planner.errors import ConfigError, WmError, describe, missing_package
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.control import Activate, Answer, Call, ControlServer, Request, SetParam
from wm_planner.messaging.declarations import Declaration, add_all
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.names import Names
from wm_planner.node.node import Mode, Node
from wm_planner.node.parameters import changed

_READERS_S = 20.0
_FINISH_LINGER_S = 5.0  # for the readers of a node that has finished to receive its last messages
_STOP_LINGER_S = 0.7  # the same for a node that was stopped
_PR_SET_PDEATHSIG = 1
_HARD_STOP_S = 8.0  # for a running callback to return; less than the supervisor waits


class Arguments(Config, frozen=True, kw_only=True):
    """The argument of a node program, as JSON.

    Attributes:
        name: of the node; if empty, the name of the program.
        domain: name of the domain.
        mode: lockstep or realtime.
        params: of the node's `Params`.
        namespace: put before the names of its topics.
        remap: name of a topic in the program to its name on the bus.
        topics: that the launch file declares.
        epoch_ns: of the clocks of the run (`WallClock`); None for that of this process.
        supervisor: pid of the process that activates the node and that it must not outlive; with 0 it
            activates itself.
    """

    name: str = ""
    domain: str = "default"
    mode: Mode = "realtime"
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    namespace: str = ""
    remap: dict[str, str] = msgspec.field(default_factory=dict)
    topics: tuple[Declaration, ...] = ()
    epoch_ns: int | None = None
    supervisor: int = 0


def run(node_class: type[Node]) -> NoReturn:
    """Run a node as this process until it finishes or is stopped.

    The process exits with 0; with 2 and one line for an error that a user can fix; with 1, a traceback and
    one line for any other.
    """
    faulthandler.enable()
    keep_freed_memory()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    program = Program()
    try:
        program.run(node_class, _arguments(sys.argv[1:]))
    except WmError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)
    except ModuleNotFoundError as error:
        traceback.print_exc()
        print(f"error: {missing_package(error)}", file=sys.stderr, flush=True)
        sys.exit(2)
    except Exception as error:
        traceback.print_exc()
        print(f"error: {describe(error)}", file=sys.stderr, flush=True)
        sys.exit(1)
    sys.exit(0)


class Program:
    """Runs a node through its lifecycle."""

    def __init__(self) -> None:
        self._is_stopping = False
        self._may_exit_at_once = True  # on a signal: there is no callback to let return

    def run(self, node_class: type[Node], arguments: Arguments) -> None:
        """Configure, activate, spin and clean up a node.

        Raises:
            WmError: for an error that the user can fix.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if arguments.supervisor:
            _die_with(arguments.supervisor)
        params = convert(arguments.params, node_class.Params, f"{arguments.name}: params")
        if arguments.mode == "lockstep":
            run_on_when_others_wake()
        add_all(arguments.topics, f"{arguments.name}: topics")
        bus = Bus(
            Domain.named(arguments.domain),
            arguments.name,
            lossless=arguments.mode == "lockstep",
            clock=WallClock(arguments.epoch_ns),
            names=Names(arguments.namespace, arguments.remap),
        )
        control = ControlServer(bus.context, bus.domain.address(bus.name, "ctl"))
        bus.watch(control.socket, bus.domain.address(bus.name, "ctl"))
        node = node_class(bus, params, arguments.mode)
        try:
            self._spin(node, control, is_alone=not arguments.supervisor)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)  # it guards callbacks; an exit may be slow
            try:
                node.cleanup()
            finally:
                node.state = "finalized"
                control.close()
                bus.close(linger_s=_FINISH_LINGER_S if node.finished else _STOP_LINGER_S)

    def _spin(self, node: Node, control: ControlServer, is_alone: bool) -> None:
        node.enter("unconfigured")
        node.log.info("configuring")
        node.configure()
        node.bus.names.check_used()
        node.enter("inactive")
        node.log.info("inactive")
        self._may_exit_at_once = False
        try:
            if is_alone:
                self._activate(node, Activate(readers={}))
            while not self._is_stopping and node.finished is None:
                node.bus.wait(node.idle_s() if node.state == "active" else 1.0)
                request = control.receive()
                if request is not None:
                    self._answer(node, control, request)
                elif node.state == "active":
                    node.spin_once()
        finally:
            if node.state == "active":
                node.deactivate()
        node.log.info("finished: %s", node.finished or "stopped by a signal")

    def _answer(self, node: Node, control: ControlServer, request: Request) -> None:
        """Carry a request out; one that cannot be is the tool's problem, except for activation."""
        try:
            if isinstance(request, Activate):
                self._activate(node, request)
            elif isinstance(request, SetParam):
                node.change(changed(node, request.name, request.value))
                node.log.info("%s is %s now", request.name, request.value)
            elif isinstance(request, Call):
                node.services.call(request.service, node.name)
        except WmError as error:
            control.answer(Answer(error=str(error)))
            if isinstance(request, Activate):
                raise
            node.log.warning("refused: %s", error)
        else:
            control.answer(Answer(params=to_builtins(node.params), changeable=node.changeable))

    def _activate(self, node: Node, request: Activate) -> None:
        node.log.info("waiting for readers of %s", ", ".join(request.readers) or "no topic")
        self._may_exit_at_once = True  # readers that have been told to stop as well would never come
        if self._is_stopping:
            raise SystemExit(0)
        node.bus.wait_for_readers(request.readers, _READERS_S)
        self._may_exit_at_once = False
        node.log.info("active")
        node.start()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: leave `configure` and the wait for readers, but let a running callback return."""
        self._is_stopping = True
        faulthandler.dump_traceback_later(_HARD_STOP_S - 0.5)  # the log shows where a callback hangs
        signal.setitimer(signal.ITIMER_REAL, _HARD_STOP_S)  # SIGALRM ends a callback that never returns
        if self._may_exit_at_once:
            raise SystemExit(0)


def _arguments(argv: list[str]) -> Arguments:
    name = Path(sys.argv[0]).stem
    if len(argv) > 1:
        raise ConfigError(
            f"{name}: got {len(argv)} arguments, wanted one JSON object: '{{\"params\": {{}}}}'"
        )
    try:
        values = msgspec.json.decode(argv[0] if argv else "{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigError(f"{name}: the argument is not a JSON object ({error})") from None
    arguments = convert(values, Arguments, name)
    return msgspec.structs.replace(arguments, name=arguments.name or name)


def run_on_when_others_wake() -> None:
    """Let a thread that a message wakes on this core wait until the running one has nothing to do.

    Threads that are started later, such as those of ZeroMQ, inherit it. It saves switches between threads on
    a shared core (docs/decisions.md). Realtime keeps the quick reaction.
    """
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _die_with(supervisor: int) -> None:
    """Let the kernel stop this process when its supervisor dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        raise SystemExit(0)  # it died before prctl
