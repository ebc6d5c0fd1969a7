"""One fault, or two at once: let it happen, wait until the run is as it was, and judge what was seen."""

import os
from dataclasses import dataclass

from wm_planner.bench.soak.faults import Fault
from wm_planner.bench.soak.injection import Injector
from wm_planner.bench.soak.observer import Observer
from wm_planner.bench.soak.recovery import Comeback, Recovery
from wm_planner.bench.soak.robots import Robot
from wm_planner.bench.soak.verdict import (
    Verdict,
    hold_limit_s,
    hold_s,
    largest_jump,
    needs_hold,
    needs_receiver,
)
from wm_planner.clock import nanoseconds, seconds

BACK_S = 60.0  # for a run to be as it was
_NOTICED_S = 6.0  # for a recorder to say that it no longer records
_STEADY = 3  # normal plans in a row


@dataclass(frozen=True)
class Run:
    """A run in which faults happen.

    Attributes:
        launch: name of its launch file.
        count: number of its nodes.
        period_s: of its control.
        rate_hz: of its commands.
    """

    launch: str
    count: int
    period_s: float
    rate_hz: float
    robot: Robot
    observer: Observer
    injector: Injector

    def is_steady(self, since_ns: int) -> bool:
        """Whether all nodes are active and normal plans lead to commands, from observations since a time."""
        plans = self.observer.normal_plans(since_ns)
        if len(plans) < _STEADY or self.observer.commands[-1].sent_ns < plans[-1].sent_ns:
            return False
        return [node.state for node in self.injector.endpoints().values()] == ["active"] * self.count

    def speed(self) -> float:
        """How fast the last commands move the robot, in rad/s or m/s."""
        if len(self.observer.commands) < 2:
            return 0.0
        before, after = self.observer.commands[-2:]
        elapsed_s = max(seconds(after.stamp_ns - before.stamp_ns), 1 / self.rate_hz)
        return self.robot.speed(before.values, after.values, elapsed_s)


class Trial:
    """Lets faults happen in a run.

    Args:
        run: it must be steady.
        faults: two happen at once.
    """

    def __init__(self, run: Run, faults: tuple[Fault, ...]) -> None:
        self._run, self._faults = run, faults
        self._lost = tuple(fault for fault in faults if fault.kind in ("kill", "stop"))
        self._comebacks: dict[str, Comeback] = {}
        self._notes: list[str] = []
        self._world_ns: tuple[int, ...] = ()  # when a world that stood still went on

    def verdict(self, number: int) -> Verdict:
        """Let them happen, and judge.

        Args:
            number: of the trial in its run.
        """
        run, observer = self._run, self._run.observer
        observer.forget()
        speed, load = run.speed(), os.getloadavg()[0]
        self._begin()
        self._end()
        over_ns = observer.now_ns
        if not observer.wait(lambda: self._are_back() and run.is_steady(over_ns), BACK_S):
            self._notes.append(f"not as before {BACK_S:g} s after the end of the fault")
        return Verdict(
            launch=run.launch,
            number=number,
            faults=self._faults,
            speed=speed,
            hold_s=self._hold_s(),
            receiver_s=self._receiver_s(),
            limit_s=hold_limit_s(self._faults, run.period_s),
            jump=self._jump(),
            recoveries=self._recoveries(),
            offset_m=0.0 if self._has_restarted() else observer.offset_m,
            load=load,
            notes=tuple(self._notes),
        )

    def _begin(self) -> None:
        """Begin all faults; those of messages first, because they take a moment."""
        run, before = self._run, self._run.injector.endpoints()
        for fault in sorted(self._faults, key=lambda fault: fault in self._lost):
            self._began_ns = run.observer.now_ns
            run.injector.begin(fault)
        for fault in self._lost:
            self._comebacks[fault.node] = Comeback(before[fault.node], self._began_ns, fault.kind == "kill")
        self._returned_ns = self._began_ns

    def _end(self) -> None:
        """End each fault when its time is over."""
        observer = self._run.observer
        for fault in sorted(self._faults, key=lambda fault: fault.duration_s):
            observer.wait(self._look, fault.duration_s - seconds(observer.now_ns - self._began_ns))
            if fault.kind == "disk" and fault.node == "recorder":
                self._replace_recorder(fault)
            if fault.kind == "stop" and fault.node == "controller":
                self._returned_ns = observer.now_ns
            if fault.kind == "stop" and fault.node == "simulator":
                self._world_ns = (observer.now_ns,)
            self._run.injector.end(fault)

    def _replace_recorder(self, fault: Fault) -> None:
        """Wait until the recorder has said that it no longer records, and have another one started."""
        observer, node = self._run.observer, self._run.injector.endpoints()[fault.node]
        if not observer.wait(lambda: self._look() or bool(observer.failures.get(fault.node)), _NOTICED_S):
            self._notes.append(f"the recorder did not say within {_NOTICED_S:g} s that its disk is full")
        observer.failures.pop(fault.node, None)
        self._run.injector.begin(Fault("kill", fault.node, 0.0))
        self._comebacks[fault.node] = Comeback(node, observer.now_ns, must_come=True)

    def _look(self) -> bool:
        """Follow the nodes that are respawned."""
        found = self._run.injector.endpoints()
        for comeback in self._comebacks.values():
            comeback.look(self._run.observer, found)
        return False

    def _are_back(self) -> bool:
        self._look()
        return all(comeback.is_over for comeback in self._comebacks.values())

    def _hold_s(self) -> float | None:
        """When the commands led to rest; None if no node failed that they depend on."""
        if not needs_hold(self._faults):
            return None
        observer = self._run.observer
        ends_ns = list(self._world_ns)
        for plan in observer.normal_plans(self._began_ns)[:1]:
            unheard = plan.sequence if self._is_new_planner else 0  # before the observer was connected
            ends_ns.append(plan.sent_ns - unheard * nanoseconds(self._run.period_s))
        ended_ns = min(ends_ns, default=observer.now_ns)
        return hold_s(self._run.robot, observer.commands, observer.starts_ns, self._began_ns, ended_ns)

    def _receiver_s(self) -> float | None:
        """When the robot came to rest by itself."""
        if not needs_receiver(self._faults):
            return None
        observer, old = self._run.observer, self._comebacks["controller"].node.publisher_id
        between_ns = nanoseconds(1 / self._run.rate_hz)
        again = [
            command.sent_ns - between_ns * (command.sequence if command.sender != old else 0)
            for command in observer.commands
            if command.sent_ns > self._began_ns and (command.sender != old or self._resumed(command.sent_ns))
        ]
        ended_ns = again[0] if again else observer.now_ns
        return hold_s(self._run.robot, observer.states, observer.starts_ns, self._began_ns, ended_ns)

    @property
    def _is_new_planner(self) -> bool:
        return "planner" in self._comebacks and self._comebacks["planner"].result is not None

    def _resumed(self, sent_ns: int) -> bool:
        return self._returned_ns > self._began_ns and sent_ns >= self._returned_ns

    def _jump(self) -> float:
        """The largest step between two commands since the fault."""
        run, observer = self._run, self._run.observer
        commands = observer.commands
        first = next((i for i, each in enumerate(commands) if each.sent_ns >= self._began_ns), len(commands))
        since = commands[max(0, first - 1) :]
        how = observer.states, observer.starts_ns, run.period_s, run.rate_hz
        return largest_jump(run.robot, since, *how)

    def _has_restarted(self) -> bool:
        """Whether an episode began meanwhile, in which a car has no path to stop on before its first plan."""
        return any(start >= self._began_ns for start in self._run.observer.starts_ns)

    def _recoveries(self) -> tuple[Recovery, ...]:
        results = (comeback.result for comeback in self._comebacks.values())
        return tuple(result for result in results if result is not None)
