"""How soon a suspended node is noticed, and how often an ordinary run raises an alarm, on a busy machine."""

import dataclasses
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.table import Table

from wm_planner.launching import file as launch_file
from wm_planner.launching.file import LaunchSpec
from wm_planner.launching.run import RECORDING, recorded_to
from wm_planner.launching.supervisor import Supervisor
from wm_planner.messaging.domain import Domain
from wm_planner.terminal import table

ALARMS = ("hung", "killed", "died")
"""Events that an ordinary run does not have."""

_BETWEEN_S = 0.5  # from the return of a node to the next suspension


class HangRow(msgspec.Struct, frozen=True):
    """The suspensions of one node.

    Attributes:
        noticed_s: time from each SIGSTOP until the supervisor noticed it, on its clock.
    """

    node: str
    noticed_s: tuple[float, ...]


def false_alarms(launch: str, clock: str, folder: Path) -> list[str]:
    """The alarms of one ordinary run of two seconds, in words."""
    spec = _spec(launch, [f"clock={clock}", "episodes=1", "steps=10"], folder)
    supervisor = Supervisor(spec, folder, domain=spec.name)
    supervisor.run()
    return [f"{each.node} {each.kind} {each.detail}" for each in supervisor.events if each.kind in ALARMS]


def hang_rows(launch: str, nodes: Sequence[str], times: int, folder: Path) -> list[HangRow]:
    """Suspend nodes by turns, in realtime, until each has been noticed `times` times."""
    spec = _spec(launch, ["clock=realtime", "episodes=100000"], folder)
    held = tuple(dataclasses.replace(node, on_hang="hold") for node in spec.nodes)
    suspensions = _Suspensions(Domain.named(spec.name), [name for _ in range(times) for name in nodes])
    supervisor = Supervisor(dataclasses.replace(spec, nodes=held), folder, domain=spec.name)
    suspensions.supervisor = supervisor
    supervisor.run(suspensions.step)
    noticed: dict[str, list[float]] = {name: [] for name in nodes}
    for name, seconds in suspensions.noticed:
        noticed[name].append(seconds)
    return [HangRow(name, tuple(times_s)) for name, times_s in noticed.items()]


def hang_table(rows: Sequence[HangRow], alarms: Sequence[Sequence[str]], title: str) -> Table:
    """The times per node, and the share of ordinary runs without a false alarm.

    Args:
        alarms: of each ordinary run.
    """
    made = table(title, "node", "suspensions", "noticed after, median", "largest", "within 350 ms")
    for row in rows:
        times_s = np.array(row.noticed_s)
        made.add_row(
            row.node,
            str(len(times_s)),
            f"{np.median(times_s):.3f} s",
            f"{times_s.max():.3f} s",
            str(int((times_s <= 0.35).sum())),
        )
    made.caption = f"{sum(not each for each in alarms)} of {len(alarms)} ordinary runs without an alarm"
    return made


def _spec(launch: str, overrides: list[str], folder: Path) -> LaunchSpec:
    """A launch file that records into the folder."""
    spec = launch_file.load(launch_file.find(launch), f"hangs_{folder.name}", overrides)
    return recorded_to(spec, folder / RECORDING)


class _Suspensions:
    """Suspends one node after the other, and lets each go on once the supervisor has noticed it.

    Attributes:
        supervisor: of the run, which is made after this.
        noticed: name of each node, with the time from SIGSTOP until the event.
    """

    supervisor: Supervisor

    def __init__(self, domain: Domain, names: list[str]) -> None:
        self._domain, self._names = domain, names
        self._pid, self._began_s, self._due_s, self._known = 0, 0.0, 0.0, 0
        self.noticed: list[tuple[str, float]] = []

    def step(self) -> None:
        now_s = time.monotonic()
        if self._pid:
            name = self._names[self._known]
            hung = [event for event in self.supervisor.events if event.kind == "hung" and event.node == name]
            if len(hung) > self._names[: self._known].count(name):
                self.noticed.append((name, now_s - self._began_s))
                self._known += 1
                os.kill(self._pid, signal.SIGCONT)
                self._pid, self._due_s = 0, now_s + _BETWEEN_S
        elif self._known == len(self._names):
            self.supervisor.interrupt("all nodes were suspended")
        elif now_s > self._due_s:
            active = {event.node for event in self.supervisor.events if event.kind == "active"}
            if active.issuperset(self._names):
                found = {each.name: each.pid for each in self._domain.endpoints()}
                self._pid = found[self._names[self._known]]
                os.kill(self._pid, signal.SIGSTOP)
                self._began_s = time.monotonic()
