"""One run of a launch file in realtime with faults, one after the other."""

import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from wm_planner.bench.soak.faults import Fault, session_faults
from wm_planner.bench.soak.injection import Injector
from wm_planner.bench.soak.leftovers import Leftovers
from wm_planner.bench.soak.observer import Observer
from wm_planner.bench.soak.robots import robot_of
from wm_planner.bench.soak.runs import is_prioritised, linked, prioritised, timing_of
from wm_planner.bench.soak.trial import Run, Trial
from wm_planner.bench.soak.verdict import Verdict, unmeasured
from wm_planner.clock import Deadline, WallClock
from wm_planner.errors import NodeError, WmError
from wm_planner.launching import file as launch_file
from wm_planner.launching.events import Event
from wm_planner.launching.run import RECORDING, recorded_to
from wm_planner.launching.supervisor import Supervisor
from wm_planner.messaging.domain import Domain

_START_S = 120.0  # for the nodes to run
_END_S = 5.0  # for a run to end without its simulator
_MOVING_S = 3.0  # that is waited at most for the robot to move again
_AWAY_M, _RETURN_S = 0.7, 20.0  # from the route, to which a car returns before the next fault
_SPEEDS = {"/command": 0.05, "/drive": 3.0}  # in rad/s and m/s, from which on the next fault may come
_RESPAWNS, _WINDOW_S = 4, 60.0  # of one node: the supervisor allows five


class SessionResult(msgspec.Struct, frozen=True):
    """A run with its faults.

    Attributes:
        launch: name of its launch file.
        verdicts: one per fault, or two at once.
        has_priority: whether its controller and its world ran at real-time priority.
        leftovers: after the run.
        end: why the run ended before all faults had happened; else "".
    """

    launch: str
    verdicts: tuple[Verdict, ...]
    has_priority: bool
    leftovers: tuple[str, ...]
    end: str


class Session:
    """A run of a launch file in which faults happen.

    Args:
        launch: name or path of the launch file.
        overrides: "argument=value", for its arguments.
        name: of the run and its domain.
        folder: for its logs and recordings.
        is_linked: whether messages pass through a link that delays or loses some of them.
        seed: of the faults and their order.
        report: called with each verdict.
    """

    def __init__(
        self,
        launch: str,
        overrides: Sequence[str],
        name: str,
        folder: Path,
        *,
        is_linked: bool,
        seed: int,
        report: Callable[[Verdict], None] = lambda verdict: None,
    ) -> None:
        path = launch_file.find(launch)
        spec = launch_file.load(path, name, ["clock=realtime", *overrides])
        self._launch, self._report, self._is_linked = path.stem, report, is_linked
        self._domain, self._robot, self._timing = Domain.named(name), robot_of(spec), timing_of(spec)
        self._order = session_faults(tuple(node.name for node in spec.nodes), is_linked, seed)
        self._rng = np.random.default_rng(seed)
        self._respawned: list[tuple[str, Deadline]] = []
        self._verdicts: list[Verdict] = []
        self._end = ""
        spec = prioritised(recorded_to(linked(spec) if is_linked else spec, folder / RECORDING))
        self._has_priority = is_prioritised(spec)
        self._count = len(spec.nodes)
        self._supervisor = Supervisor(spec, folder, domain=name, on_event=self._note)

    @property
    def planned(self) -> int:
        """The number of faults, two at once counted as two."""
        return sum(map(len, self._order))

    def run(self) -> SessionResult:
        """Run until all faults have happened.

        Raises:
            KeyboardInterrupt: after a signal to this process.
        """
        leftovers, script = Leftovers(self._domain), threading.Thread(target=self._run_script, daemon=True)

        def begin() -> None:
            if script.ident is None:
                script.start()

        failure = ""
        try:
            reason = self._supervisor.run(begin).reason
        except WmError as error:
            reason = failure = str(error)
        if script.ident is not None:
            script.join()
        if reason in signal.Signals.__members__:
            raise KeyboardInterrupt
        end = "" if self._is_complete else self._end or failure
        return SessionResult(self._launch, tuple(self._verdicts), self._has_priority, leftovers.find(), end)

    @property
    def _is_complete(self) -> bool:
        """Whether all faults have happened, the last of which ends the run."""
        return len(self._verdicts) > len(self._order)

    def _run_script(self) -> None:
        observer = Observer(self._domain, self._robot, self._is_linked)
        try:
            self._let_fail(
                Run(self._launch, self._count, *self._timing, self._robot, observer, Injector(self._domain))
            )
        except (WmError, OSError, KeyError) as error:
            self._end = f"{type(error).__name__}: {error}"
        finally:
            self._supervisor.interrupt(self._end or "all faults have happened")
            observer.close()

    def _let_fail(self, run: Run) -> None:
        if not run.observer.wait(lambda: run.is_steady(0), _START_S):
            raise NodeError(f"the nodes did not run after {_START_S:g} s")
        for number, faults in enumerate(self._order, start=1):
            self._wait_for_motion(run, faults)
            verdict = Trial(run, faults).verdict(number)
            self._verdicts.append(verdict)
            self._report(verdict)
            if self._supervisor.is_stopping:
                raise NodeError("the run ended by itself")
        self._end_world(run, len(self._order) + 1)

    def _end_world(self, run: Run, number: int) -> None:
        """Kill the simulator, which must end the run."""
        fault = Fault("kill", "simulator", 0.0)
        run.injector.begin(fault)
        has_ended = run.observer.wait(lambda: self._supervisor.is_stopping, _END_S)
        notes = () if has_ended else (f"the run went on for {_END_S:g} s without a simulator",)
        self._verdicts.append(unmeasured(run.launch, number, fault, notes))
        self._report(self._verdicts[-1])

    def _wait_for_motion(self, run: Run, faults: Sequence[Fault]) -> None:
        """Wait until the robot moves and the supervisor may respawn the nodes, then some part of a period."""
        nodes = {fault.node for fault in faults}
        run.observer.wait(lambda: self._may_respawn(nodes), _WINDOW_S)
        run.observer.wait(lambda: run.observer.away_m < _AWAY_M, _RETURN_S)
        run.observer.wait(lambda: run.speed() > _SPEEDS[self._robot.command_topic], _MOVING_S)
        run.observer.wait_s(float(self._rng.uniform(0, run.period_s)))

    def _may_respawn(self, nodes: set[str]) -> bool:
        """Whether the supervisor would respawn each of the nodes once more."""
        counts = Counter(node for node, until in self._respawned if until.left_s() > 0)
        return all(counts[node] < _RESPAWNS for node in nodes)

    def _note(self, event: Event) -> None:
        if event.kind == "respawned":
            self._respawned.append((event.node, Deadline.after(WallClock(), _WINDOW_S)))
