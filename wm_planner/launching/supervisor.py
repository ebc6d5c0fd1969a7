"""The supervisor: starts, watches, respawns and stops the nodes of a launch file."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Literal, NamedTuple, TypeAlias

from wm_planner.clock import Clock, WallClock, epoch_now_ns, seconds
from wm_planner.errors import ConfigError, NodeError
from wm_planner.launching.file import LaunchSpec, NodeSpec
from wm_planner.launching.process import NodeProcess, describe_exit
from wm_planner.launching.respawn import MAX_RESPAWNS, WINDOW_S, Respawns
from wm_planner.launching.startup import START_S, StartupWatch, startup_error
from wm_planner.messaging.control import Activate, ControlClient
from wm_planner.messaging.domain import Domain, Endpoint
from wm_planner.messaging.wire import ANY
from wm_planner.node.arguments import Arguments
from wm_planner.node.node import DIAGNOSTICS

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STEP_S = 0.02
_STOP_S = 10.0  # an exit takes 1 s on a quiet machine, 2 s at a load of 15 on two cores

Kind: TypeAlias = Literal["started", "active", "finished", "died", "respawned", "stopped", "killed"]
Phase: TypeAlias = Literal["waiting", "starting", "inactive", "activating", "active", "gone"]

_BEGINNING = ("starting", "inactive", "activating")  # the phases in which the records of a run are read


class Event(NamedTuple):
    """Something that happened to a node, `time_s` seconds after the run began.

    Attributes:
        is_fatal: whether the run failed by it, so that the error of the run tells the same.
    """

    time_s: float
    node: str
    kind: Kind
    detail: str
    is_fatal: bool = False


class RunResult(NamedTuple):
    """The end of a run that did not fail."""

    status: Literal["finished", "interrupted"]
    reason: str


@dataclass
class _Member:
    """A node and its phase."""

    spec: NodeSpec
    process: NodeProcess | None = None
    phase: Phase = "waiting"
    starts: int = 0
    due_s: float = 0.0  # of the next phase: when to start it, or by when it must be active
    has_been_active: bool = False
    only_reads: bool = False
    respawns: Respawns = field(default_factory=Respawns)


class Supervisor:
    """One run.

    Args:
        spec: the run.
        folder: where `logs/<node>.log` are written.
        domain: name of the nodes' domain; claimed for the run and removed after it.
        on_event: called with every event as it happens.
        on_wait: called with a line about the nodes that a slow start waits for, ever more rarely.
        stop_s: time that nodes have to end, twice: first those that publish, then those that only read.
        clock: what `stop_s` and the time to start and to respawn are measured by.

    Attributes:
        events: all events so far.
        is_stopping: whether the nodes have been asked to end.
    """

    def __init__(
        self,
        spec: LaunchSpec,
        folder: Path,
        domain: str,
        on_event: Callable[[Event], None] = lambda event: None,
        on_wait: Callable[[str], None] = lambda line: None,
        stop_s: float = _STOP_S,
        clock: Clock | None = None,
    ) -> None:
        self._mode, self._topics = spec.clock, spec.topics
        self._logs = folder / "logs"
        self._domain = Domain.named(domain)
        self._on_event, self._on_wait = on_event, on_wait
        self._startup = StartupWatch()
        self._members = {node.name: _Member(node) for node in spec.nodes}
        self._stop_s = stop_s
        self.events: list[Event] = []
        self.is_stopping = False
        self._is_forced = False
        self._clock = clock or WallClock()
        self._epoch_ns = epoch_now_ns()
        self._began_ns = self._clock.now_ns()
        self._all_were_inactive = False
        self._outcome: RunResult | NodeError | None = None

    def run(self, each_step: Callable[[], None] = lambda: None) -> RunResult:
        """Run until a node whose exit ends the run has finished, all nodes have, or the run is interrupted.

        SIGINT, SIGTERM, SIGHUP and `interrupt` interrupt it; a second SIGINT kills nodes that have not ended
        yet. No process, socket or directory of the domain is left behind.

        Args:
            each_step: called about 50 times per second, to show progress.

        Raises:
            MessagingError: if the domain is in use.
            ConfigError: if the folder cannot be written.
            NodeError: if a node cannot start, or failed and is not respawned.
        """
        with self._interruptible():
            self._domain.claim()
            self._client = ControlClient()
            try:
                self._make_folder()
                try:
                    while self._outcome is None:
                        self._step()
                        each_step()
                        time.sleep(_STEP_S)
                finally:
                    self._stop(each_step)
            finally:
                self._client.close()
                self._domain.remove()
        if isinstance(self._outcome, NodeError):
            raise self._outcome
        return self._outcome

    def interrupt(self, reason: str) -> None:
        """End the run; `run` returns once all nodes have stopped."""
        self._outcome = self._outcome or RunResult("interrupted", reason)

    def _make_folder(self) -> None:
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{self._logs}: cannot be made ({error.strerror}); choose another folder"
            ) from None

    def _step(self) -> None:
        for member in self._members.values():
            if member.process is not None and (code := member.process.exit_code()) is not None:
                self._exited(member, member.process, code)
            elif member.phase == "waiting" and self._now_s() >= member.due_s:
                self._start(member)
        if self._outcome is None and any(member.phase in _BEGINNING for member in self._members.values()):
            endpoints = {endpoint.name: endpoint for endpoint in self._domain.endpoints()}
            self._activate_ready(endpoints)
            self._watch_startup(endpoints)
        if all(member.phase == "gone" for member in self._members.values()):
            self._outcome = self._outcome or RunResult("finished", "all nodes have finished")

    def _start(self, member: _Member) -> None:
        arguments = Arguments(
            name=member.spec.name,
            domain=self._domain.path.name,
            mode=self._mode,
            params=member.spec.params,
            namespace=member.spec.namespace,
            remap=dict(member.spec.remap),
            topics=self._topics,
            scheduling=member.spec.scheduling,
            epoch_ns=self._epoch_ns,
            supervisor=os.getpid(),
        )
        member.process = NodeProcess(member.spec.program, arguments, self._logs / f"{member.spec.name}.log")
        self._record(member, "respawned" if member.starts else "started", f"process {member.process.pid}")
        member.phase, member.due_s = "starting", self._now_s() + START_S
        member.starts += 1

    def _activate_ready(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Activate nodes as they become inactive; at first only when all of them are."""
        for name, member in self._members.items():
            found = endpoints.get(name)
            if member.phase == "starting" and found is not None and found.state == "inactive":
                member.phase = "inactive"
                member.only_reads = found.publishes.keys() <= {DIAGNOSTICS}
        waits = any(member.phase in ("waiting", "starting") for member in self._members.values())
        self._all_were_inactive = self._all_were_inactive or not waits
        for name, member in self._members.items():
            if member.phase == "inactive" and self._all_were_inactive and name in endpoints:
                request = Activate(readers=readers_of(endpoints[name], endpoints))
                self._client.ask(name, endpoints[name].control, request)
                member.phase, member.due_s = "activating", self._now_s() + START_S
        for name, answer in self._client.answers().items():
            if not answer.error:  # after an error the node exits by itself
                self._members[name].phase, self._members[name].has_been_active = "active", True
                self._record(self._members[name], "active", "")

    def _watch_startup(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Tell which nodes are not active yet, and fail if one is overdue."""
        awaited = {}
        for name, member in self._members.items():
            if member.phase == "starting":
                awaited[name] = "configuring" if name in endpoints else "importing its program"
            elif member.phase == "activating":
                awaited[name] = "waiting for the readers of its topics"
        if line := self._startup.line(self._now_s(), awaited):
            self._on_wait(f"{line}; logs: {self._logs}")
        late = {name: what for name, what in awaited.items() if self._now_s() > self._members[name].due_s}
        if late:
            self._outcome = NodeError(startup_error(late, self._logs))

    def _exited(self, member: _Member, process: NodeProcess, code: int) -> None:
        was_active = member.phase == "active"
        self._clean_up(member, process)
        failure = describe_exit(code) if code == 0 else process.failure(code)
        fatal = ""
        if code == 0 and member.spec.ends_run:
            self._outcome = self._outcome or RunResult("finished", f"node '{member.spec.name}' has finished")
        elif code == 2 and not was_active:  # its parameters are wrong, and would be again
            fatal = process.error_line() or failure
        elif code > 0 and not member.has_been_active:  # it cannot start, e.g. for a broken plug-in
            fatal = failure
        elif member.spec.respawn == "always" or (code != 0 and member.spec.respawn == "on-failure"):
            delay_s = member.respawns.next_delay_s(self._now_s())
            if delay_s is None:
                often = f"failed more than {MAX_RESPAWNS} times in {WINDOW_S:g} s"
                fatal = often if code == 0 else f"{often}, at last with {failure}"
            else:
                member.phase, member.due_s = "waiting", self._now_s() + delay_s
        elif code != 0:
            fatal = failure
        is_first = bool(fatal) and self._outcome is None
        self._record(member, "finished" if code == 0 else "died", failure, is_first)
        if is_first:
            self._fail(member, fatal)

    def _clean_up(self, member: _Member, process: NodeProcess) -> None:
        process.kill()  # also processes that it started
        member.process, member.phase = None, "gone"
        self._client.forget(member.spec.name)
        self._domain.sweep()

    def _fail(self, member: _Member, why: str) -> None:
        log = self._logs / f"{member.spec.name}.log"
        self._outcome = NodeError(f"node '{member.spec.name}': {why} (log: {log})")

    def _stop(self, each_step: Callable[[], None]) -> None:
        """Stop the nodes; those that only read come last, so that they receive everything."""
        self.is_stopping = True
        for only_reads in (False, True):
            group = [
                (member, member.process)
                for member in self._members.values()
                if member.process is not None and member.only_reads == only_reads
            ]
            for _, process in group:
                process.terminate()
            deadline_s = self._now_s() + self._stop_s
            while any(process.exit_code() is None for _, process in group):
                if self._is_forced or self._now_s() > deadline_s:
                    break
                each_step()
                time.sleep(_STEP_S)
            for member, process in group:
                self._stopped(member, process)

    def _stopped(self, member: _Member, process: NodeProcess) -> None:
        code = process.exit_code()
        self._clean_up(member, process)
        if code is None:
            why = "interrupted again" if self._is_forced else f"did not end within {self._stop_s:g} s"
            self._record(member, "killed", why)
        elif code in (0, -signal.SIGTERM):
            self._record(member, "stopped", describe_exit(code))
        else:
            failure = f"while stopping: {process.failure(code)}"
            is_first = not isinstance(self._outcome, NodeError)
            self._record(member, "died", failure, is_first)
            if is_first:
                self._fail(member, failure)

    def _record(self, member: _Member, kind: Kind, detail: str, is_fatal: bool = False) -> None:
        event = Event(self._now_s(), member.spec.name, kind, detail, is_fatal)
        self.events.append(event)
        self._on_event(event)

    def _now_s(self) -> float:
        return seconds(self._clock.now_ns() - self._began_ns)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Handle SIGINT, SIGTERM and SIGHUP as `interrupt`, if this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            self._is_forced = self._is_forced or (self.is_stopping and number == signal.SIGINT)
            self.interrupt(signal.Signals(number).name)

        previous = {number: signal.signal(number, handle) for number in _ENDING}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def readers_of(endpoint: Endpoint, endpoints: Mapping[str, Endpoint]) -> dict[str, int]:
    """The number of other nodes that read each topic of `endpoint`; topics without readers are left out."""
    others = [other for other in endpoints.values() if other.name != endpoint.name]
    counts = {
        topic: sum(topic in other.subscribes or ANY in other.subscribes for other in others)
        for topic in endpoint.publishes
    }
    return {topic: count for topic, count in counts.items() if count}
