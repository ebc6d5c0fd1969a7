"""Carries faults out on the processes of a run."""

import contextlib
import os
import re
import resource
import signal
from pathlib import Path

from wm_planner.bench.soak.faults import DELAY_S, LOSS, Fault
from wm_planner.launching.activity import activity_of
from wm_planner.messaging.control import SetParam, ask
from wm_planner.messaging.domain import Domain, Endpoint

_ROOM_BYTES = 4096  # that a file may still grow on a disk that is about to be full


class Injector:
    """Begins faults and ends them.

    Args:
        domain: of the run.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._pids: dict[Fault, int] = {}

    def begin(self, fault: Fault) -> None:
        """Let a fault happen.

        Raises:
            KeyError: if its node does not run.
        """
        endpoint = self.endpoints()[fault.node]
        pid = self._pids[fault] = endpoint.pid
        if fault.kind == "kill":
            os.kill(pid, signal.SIGKILL)
        elif fault.kind == "stop":
            os.kill(pid, signal.SIGSTOP)
        elif fault.kind == "disk":
            size = largest_file(pid) + _ROOM_BYTES
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        elif fault.kind == "delay":
            ask(endpoint, SetParam(name="delay_s", value=DELAY_S))
        else:
            ask(endpoint, SetParam(name="loss", value=LOSS))

    def end(self, fault: Fault) -> None:
        """Let a fault be over; the supervisor may have replaced the process meanwhile."""
        pid = self._pids.pop(fault)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if fault.kind == "stop":
                os.kill(pid, signal.SIGCONT)
            elif fault.kind == "disk":
                unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        if fault.kind in ("delay", "loss") and (endpoint := self.endpoints().get(fault.node)):
            ask(endpoint, SetParam(name="delay_s" if fault.kind == "delay" else "loss", value=0.0))

    def endpoints(self) -> dict[str, Endpoint]:
        """The nodes that run, by name."""
        return {endpoint.name: endpoint for endpoint in self._domain.endpoints()}


def largest_file(pid: int) -> int:
    """Size in bytes of the largest file on a disk that a process has open for writing."""
    sizes = [0]
    with contextlib.suppress(OSError):
        for opened in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                named = opened.readlink().is_file()  # shared memory has no name
                if named and _is_written(pid, int(opened.name)):
                    sizes.append(opened.stat().st_size)
    return max(sizes)


def _is_written(pid: int, descriptor: int) -> bool:
    """Whether a process has opened a file for writing."""
    (flags,) = re.findall(r"^flags:\s*(\d+)", Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text(), re.M)
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def cpu_s(pid: int) -> float:
    """CPU time in s that a process has used; 0 if it is gone."""
    activity = activity_of(pid)
    return 0.0 if activity is None else activity.cpu_ticks / os.sysconf("SC_CLK_TCK")
