"""How the operating system schedules a node: real-time priority, nice value, processor cores."""

import os
import sys
import threading
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from wm_planner.config import Config, Count
from wm_planner.errors import ConfigError

Priority: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=99)]
Nice: TypeAlias = Annotated[int, msgspec.Meta(ge=-20, le=19)]


class Scheduling(Config, frozen=True, kw_only=True):
    """How a node's process is scheduled; by default as the process that starts it.

    Attributes:
        priority: real-time priority of Linux (SCHED_FIFO), 1 to 99: it runs before every ordinary process.
        nice: from -20, most of the time that ordinary processes share, to 19, least.
        cores: numbers of the processor cores that it may run on; empty for all.
    """

    priority: Priority | None = None
    nice: Nice | None = None
    cores: tuple[Count, ...] = ()

    def __post_init__(self) -> None:
        if self.priority is not None and self.nice is not None:
            raise ValueError(
                "got priority and nice, wanted one of them: real-time processes have no nice value"
            )

    def check(self) -> None:
        """Refuse what the system does not permit this process, which would start the node.

        Raises:
            ConfigError: with what would permit it.
        """
        problems: list[ConfigError] = []

        def attempt() -> None:
            try:
                self._apply([threading.get_native_id()])
            except ConfigError as error:
                problems.append(error)

        trial = threading.Thread(target=attempt)  # the settings of a thread end with it
        trial.start()
        trial.join()
        if problems:
            raise problems[0]

    def apply(self) -> None:
        """Schedule this process so, with all threads that it has and will have.

        Raises:
            ConfigError: if the system does not permit it.
        """
        if self != Scheduling():
            self._apply([int(thread.name) for thread in Path("/proc/self/task").iterdir()])

    def _apply(self, threads: list[int]) -> None:
        if self == Scheduling():
            return
        if sys.platform != "linux":
            raise ConfigError("priority, nice and cores need Linux: leave them out")
        for thread in threads:
            self._set_cores(thread)
            self._set_priority(thread)

    def _set_cores(self, thread: int) -> None:
        if not self.cores:
            return
        allowed = os.sched_getaffinity(thread)
        if not allowed.issuperset(self.cores):
            raise ConfigError(f"cores is {list(self.cores)}, this process may run on {sorted(allowed)}")
        os.sched_setaffinity(thread, self.cores)

    def _set_priority(self, thread: int) -> None:
        try:
            if self.priority is not None:
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(self.priority))
            if self.nice is not None:
                os.setpriority(os.PRIO_PROCESS, thread, self.nice)
        except PermissionError:
            raise ConfigError(self._refusal()) from None

    def _refusal(self) -> str:
        if self.priority is not None:
            what, limit = f"real-time priority {self.priority}", f"rtprio {self.priority}"
        else:
            what, limit = f"the nice value {self.nice}", f"nice {self.nice}"
        return (
            f"this user may not use {what}: give it the limit `{limit}` in /etc/security/limits.conf and log "
            "in again, start a container with --cap-add=SYS_NICE, or leave the key out"
        )
