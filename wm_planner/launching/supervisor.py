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
from wm_planner.launching.events import Event, Journal, Kind
from wm_planner.launching.file import LaunchSpec, NodeSpec
from wm_planner.launching.hang_policy import HangPolicy
from wm_planner.launching.hangs import OwnTime
from wm_planner.launching.interrupts import interruptible
from wm_planner.launching.member import LAST_STOPPED, Member, Unit, units_of
from wm_planner.launching.process import NodeProcess, describe_exit
from wm_planner.launching.respawn import MAX_RESPAWNS, WINDOW_S
from wm_planner.launching.startup import START_S
from wm_planner.messaging.domain import Domain
from wm_planner.node.arguments import Arguments

_STEP_S = 0.02
_STOP_S = 10.0  # an exit takes 1 s on a quiet machine


class RunResult(NamedTuple):
    """The end of a run that did not fail."""

    status: Literal["finished", "interrupted"]
    reason: str


class Supervisor:
    """One run.

    Args:
        spec: the run.
        folder: where `logs/<node>.log` and `logs/<group>.log` are written.
        domain: name of the nodes' domain; claimed for the run and removed after it.
        on_event: called with every event as it happens.
        on_wait: called with a line about the nodes that a slow start waits for, ever more rarely.
        stop_s: time that processes have to end, not counting what they wait for a core; by turns: those of
            nodes that only read come last.
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
        self._units = units_of(self._members)
        self._stop_s = stop_s
        self.is_stopping = False
        self._is_forced = False
        self._epoch_ns = epoch_now_ns()
        self._journal = Journal(on_event, clock)
        self._hangs = HangPolicy(spec.clock, self._journal, on_wait)
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
        for unit in self._units:
            if unit.process is not None and (code := unit.process.exit_code()) is not None:
                self._exited(unit, unit.process, code)
            elif unit.process is not None:
                self._note_finished(unit, unit.process)
                if why := self._hangs.step(unit, unit.process):
                    self._fail(unit, why)
            elif unit.due_s is not None and self._journal.now_s() >= unit.due_s:
                self._start(unit)
        if self._outcome is None and (overdue := self._activation.step()):
            self._outcome = NodeError(overdue)
        if all(member.phase == "gone" for member in self._members.values()):
            self._outcome = self._outcome or RunResult("finished", "all nodes have finished")

    def _start(self, unit: Unit) -> None:
        nodes = [(member.spec.program, self._arguments(member.spec)) for member in unit.members]
        unit.process = NodeProcess(nodes, self._log(unit))
        kind: Literal["respawned", "started"] = "respawned" if unit.starts else "started"
        unit.starts, unit.due_s = unit.starts + 1, None
        unit.enter("starting")
        for member in unit.members:
            member.due_s = self._journal.now_s() + START_S
            self._journal.add(member.spec.name, kind, f"process {unit.process.pid}")

    def _arguments(self, spec: NodeSpec) -> Arguments:
        return Arguments(
            name=spec.name,
            domain=self._domain.path.name,
            mode=self._mode,
            params=spec.params,
            namespace=spec.namespace,
            remap=dict(spec.remap),
            topics=self._topics,
            scheduling=spec.scheduling,
            epoch_ns=self._epoch_ns,
            supervisor=os.getpid(),
        )

    def _note_finished(self, unit: Unit, process: NodeProcess) -> None:
        """Note nodes of a group that have finished while their process goes on with the others."""
        for member in unit.left if len(unit.members) > 1 else ():
            if self._domain.has_finished(member.spec.name, process.pid):
                member.phase = "gone"
                self._journal.add(member.spec.name, "finished", "while its group goes on")
                self._end_with(member)

    def _end_with(self, member: Member) -> None:
        """End the run if it ends with this node, which has finished."""
        if member.spec.ends_run:
            self._outcome = self._outcome or RunResult("finished", f"node '{member.spec.name}' has finished")

    def _exited(self, unit: Unit, process: NodeProcess, code: int) -> None:
        left, was_active = unit.left, any(member.phase == "active" for member in unit.members)
        has_been_active = any(member.has_been_active for member in unit.members)
        respawn = unit.members[0].spec.respawn
        hang = unit.hang if unit.on_hang == "restart" else ""  # for which it was killed
        self._clean_up(unit, process)
        failure = hang or (describe_exit(code) if code == 0 else process.failure(code))
        fatal = ""
        if code == 0 and any(member.spec.ends_run for member in left):
            for member in left:
                self._end_with(member)
        elif code == 2 and not was_active:  # its parameters are wrong, and would be again
            fatal = process.error_line() or failure
        elif code > 0 and not has_been_active:  # it cannot start, e.g. for a broken plug-in
            fatal = failure
        elif hang or respawn == "always" or (code != 0 and respawn == "on-failure"):
            delay_s = unit.respawns.next_delay_s(self._journal.now_s())
            if delay_s is None:
                often = f"failed more than {MAX_RESPAWNS} times in {WINDOW_S:g} s"
                fatal = often if code == 0 else f"{often}, at last with {failure}"
            else:
                unit.enter("waiting")
                unit.due_s = self._journal.now_s() + delay_s
        elif code != 0:
            fatal = failure
        is_first = bool(fatal) and self._outcome is None
        for member in left if code == 0 or fatal or not hang else ():
            self._journal.add(member.spec.name, "finished" if code == 0 else "died", failure, is_first)
        if is_first:
            self._fail(unit, fatal)

    def _clean_up(self, unit: Unit, process: NodeProcess) -> None:
        process.kill()  # also processes that it started
        unit.end()
        for member in unit.members:
            self._activation.forget(member.spec.name)
        self._domain.sweep()

    def _log(self, unit: Unit) -> Path:
        return self._logs / f"{unit.name}.log"

    def _fail(self, unit: Unit, why: str) -> None:
        self._outcome = NodeError(f"{unit.title}: {why} (log: {self._log(unit)})")

    def _stop(self, each_step: Callable[[], None]) -> None:
        """Stop the nodes; those that only read come last, so that they receive everything."""
        self.is_stopping = True
        running = [(unit.stop_order, unit, unit.process) for unit in self._units if unit.process is not None]
        for order in range(LAST_STOPPED + 1):
            together = [(unit, process) for when, unit, process in running if when == order]
            for _, process in together:
                process.terminate()
            had = {process.pid: OwnTime.of(process.pid) for _, process in together}
            while late := [process for _, process in together if process.exit_code() is None]:
                for process in late:
                    had[process.pid].look(self._journal.now_s())
                if self._is_forced or all(had[process.pid].total_s > self._stop_s for process in late):
                    break
                each_step()
                time.sleep(_STEP_S)
            for unit, process in together:
                self._stopped(unit, process)

    def _stopped(self, unit: Unit, process: NodeProcess) -> None:
        code, left = process.exit_code(), unit.left
        if code is None and not self._is_forced:
            process.show_threads()
        self._clean_up(unit, process)
        kind: Kind
        is_first = False
        if code is None:
            kind = "killed"
            detail = "interrupted again" if self._is_forced else f"did not end within {self._stop_s:g} s"
        elif code in (0, -signal.SIGTERM):
            kind, detail = "stopped", describe_exit(code)
        else:
            kind, detail = "died", f"while stopping: {process.failure(code)}"
            is_first = not isinstance(self._outcome, NodeError)
        for member in left:
            self._journal.add(member.spec.name, kind, detail, is_first)
        if is_first:
            self._fail(unit, detail)
