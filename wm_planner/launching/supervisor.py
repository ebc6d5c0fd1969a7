"""The supervisor: starts, watches, respawns and stops the nodes of a launch file."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from wm_planner.clock import Clock, epoch_now_ns
from wm_planner.errors import ConfigError, NodeError
from wm_planner.launching.activation import Activation
from wm_planner.launching.events import Event, Journal
from wm_planner.launching.file import LaunchSpec
from wm_planner.launching.interrupts import interruptible
from wm_planner.launching.member import Member
from wm_planner.launching.process import NodeProcess, describe_exit
from wm_planner.launching.respawn import MAX_RESPAWNS, WINDOW_S
from wm_planner.launching.startup import START_S
from wm_planner.messaging.domain import Domain
from wm_planner.node.arguments import Arguments

_STEP_S = 0.02
_STOP_S = 10.0  # an exit takes 1 s on a quiet machine, 2 s at a load of 15 on two cores


class RunResult(NamedTuple):
    """The end of a run that did not fail."""

    status: Literal["finished", "interrupted"]
    reason: str


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
        self._on_wait = on_wait
        self._members = {node.name: Member(node) for node in spec.nodes}
        self._stop_s = stop_s
        self.is_stopping = False
        self._is_forced = False
        self._epoch_ns = epoch_now_ns()
        self._journal = Journal(on_event, clock)
        self._outcome: RunResult | NodeError | None = None

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        return self._journal.events

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
        with interruptible(self._handle):
            self._domain.claim()
            self._activation = Activation(
                self._members, self._domain, self._journal, self._logs, self._on_wait
            )
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
                self._activation.close()
                self._domain.remove()
        if isinstance(self._outcome, NodeError):
            raise self._outcome
        return self._outcome

    def interrupt(self, reason: str) -> None:
        """End the run; `run` returns once all nodes have stopped."""
        self._outcome = self._outcome or RunResult("interrupted", reason)

    def _handle(self, number: signal.Signals) -> None:
        self._is_forced = self._is_forced or (self.is_stopping and number == signal.SIGINT)
        self.interrupt(number.name)

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
            elif member.phase == "waiting" and self._journal.now_s() >= member.due_s:
                self._start(member)
        if self._outcome is None and (overdue := self._activation.step()):
            self._outcome = NodeError(overdue)
        if all(member.phase == "gone" for member in self._members.values()):
            self._outcome = self._outcome or RunResult("finished", "all nodes have finished")

    def _start(self, member: Member) -> None:
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
        kind: Literal["respawned", "started"] = "respawned" if member.starts else "started"
        self._journal.add(member.spec.name, kind, f"process {member.process.pid}")
        member.phase, member.due_s = "starting", self._journal.now_s() + START_S
        member.starts += 1

    def _exited(self, member: Member, process: NodeProcess, code: int) -> None:
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
            delay_s = member.respawns.next_delay_s(self._journal.now_s())
            if delay_s is None:
                often = f"failed more than {MAX_RESPAWNS} times in {WINDOW_S:g} s"
                fatal = often if code == 0 else f"{often}, at last with {failure}"
            else:
                member.phase, member.due_s = "waiting", self._journal.now_s() + delay_s
        elif code != 0:
            fatal = failure
        is_first = bool(fatal) and self._outcome is None
        self._journal.add(member.spec.name, "finished" if code == 0 else "died", failure, is_first)
        if is_first:
            self._fail(member, fatal)

    def _clean_up(self, member: Member, process: NodeProcess) -> None:
        process.kill()  # also processes that it started
        member.process, member.phase = None, "gone"
        self._activation.forget(member.spec.name)
        self._domain.sweep()

    def _fail(self, member: Member, why: str) -> None:
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
            deadline_s = self._journal.now_s() + self._stop_s
            while any(process.exit_code() is None for _, process in group):
                if self._is_forced or self._journal.now_s() > deadline_s:
                    break
                each_step()
                time.sleep(_STEP_S)
            for member, process in group:
                self._stopped(member, process)

    def _stopped(self, member: Member, process: NodeProcess) -> None:
        code = process.exit_code()
        self._clean_up(member, process)
        if code is None:
            why = "interrupted again" if self._is_forced else f"did not end within {self._stop_s:g} s"
            self._journal.add(member.spec.name, "killed", why)
        elif code in (0, -signal.SIGTERM):
            self._journal.add(member.spec.name, "stopped", describe_exit(code))
        else:
            failure = f"while stopping: {process.failure(code)}"
            is_first = not isinstance(self._outcome, NodeError)
            self._journal.add(member.spec.name, "died", failure, is_first)
            if is_first:
                self._fail(member, failure)
