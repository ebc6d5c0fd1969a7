"""Action on nodes that hang, as the launch file says: restart them, wait for them, or end the run."""

import time
from collections.abc import Callable
from typing import Final

from wm_planner.launching.events import Journal
from wm_planner.launching.file import OnHang
from wm_planner.launching.hangs import LATE_S, Hang, HangWatch
from wm_planner.launching.member import Unit
from wm_planner.launching.process import NodeProcess
from wm_planner.node.node import Mode

_CONSEQUENCES: Final[dict[OnHang, str]] = {
    "restart": "restarted",
    "hold": "the run waits",
    "stop": "the run ends",
}


class HangPolicy:
    """Looks after the active processes of a run.

    Args:
        mode: of the run. In lockstep nothing waits for a clock, so a callback may compute for as long as it
            does; that is only told.
        journal: gets an event per hang, and one per node that goes on by itself.
        on_wait: called with a line about a callback that computes for long, once per node.
    """

    def __init__(self, mode: Mode, journal: Journal, on_wait: Callable[[str], None]) -> None:
        self._mode, self._journal, self._on_wait = mode, journal, on_wait
        self._told: set[str] = set()

    def step(self, unit: Unit, process: NodeProcess) -> str:
        """Look at a process, and act; returns why the run must end, empty if it need not.

        A process to be restarted is killed; its unit keeps the reason in `hang`.
        """
        if not unit.is_active:
            return ""
        now_s = time.monotonic()
        if unit.hang:
            if unit.on_hang == "hold" and now_s - process.heartbeat.last_s < LATE_S:
                unit.hang = ""
                self._journal.add(self._name(unit, process), "resumed", "")
            return ""
        unit.watch = unit.watch or HangWatch.of(process.pid, process.heartbeat)
        hang = unit.watch.look(now_s)
        if hang is None:
            return ""
        if hang.state == "busy" and self._mode == "lockstep":
            self._tell_once(self._name(unit, process), hang)
            return ""
        return self._act(unit, process, hang)

    def _act(self, unit: Unit, process: NodeProcess, hang: Hang) -> str:
        unit.hang = hang.reason
        is_fatal = unit.on_hang == "stop"
        name, detail = self._name(unit, process), f"{hang.reason}: {_CONSEQUENCES[unit.on_hang]}"
        self._journal.add(name, "hung", detail, is_fatal)
        process.note(f"{name} {detail}")
        if hang.state != "suspended":
            process.show_threads()
        if unit.on_hang == "restart":
            process.send_kill()
        return hang.reason if is_fatal else ""

    def _name(self, unit: Unit, process: NodeProcess) -> str:
        """The node whose turn it is."""
        return unit.members[process.heartbeat.turn_of].spec.name

    def _tell_once(self, name: str, hang: Hang) -> None:
        if name not in self._told:
            self._told.add(name)
            self._on_wait(f"{name} {hang.reason}")
