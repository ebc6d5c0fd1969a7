"""What the processes of nodes do, as the kernel tells it."""

from pathlib import Path
from typing import NamedTuple, TypeAlias

_MESSAGING = "ZMQ"  # begins the names of ZeroMQ's threads, which go on while a callback hangs

Rest: TypeAlias = frozenset[tuple[int, str]]
"""The CPU times of threads; two that are equal show that none of them ran in between."""


class Activity(NamedTuple):
    """The activity of a process.

    Attributes:
        state: of its main thread, the kernel's letter: R running or waiting for a core, S sleeping, D waiting
            for a disk, T suspended by a signal, t by a debugger.
        cpu_ticks: CPU time used so far, user and system, in the kernel's ticks.
    """

    state: str
    cpu_ticks: int


def activity_of(pid: int) -> Activity | None:
    """The activity of a process now; None if it is gone."""
    try:
        fields = _status(Path(f"/proc/{pid}/stat"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Activity(fields[1], int(fields[12]) + int(fields[13]))


def rest_of(pid: int, with_messaging: bool = False) -> Rest | None:
    """The CPU times of the threads of a process and of its children, if all of them sleep.

    None if one runs, waits for a core or for a disk, or if that cannot be known.

    Args:
        with_messaging: count ZeroMQ's threads too.
    """
    found: set[tuple[int, str]] = set()
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            name, state = _status(thread / "stat")[:2]
            if name.startswith(_MESSAGING) and not with_messaging:
                continue
            if state != "S":
                return None
            found.add((int(thread.name), (thread / "schedstat").read_text().partition(" ")[0]))
            for child in (thread / "children").read_text().split():
                rest = rest_of(int(child), with_messaging)
                if rest is None:
                    return None
                found |= rest
    except OSError:  # it ends just now, or this kernel does not tell
        return None
    return frozenset(found)


def _status(path: Path) -> list[str]:
    """The fields of a `stat` file from the name on."""
    name, _, others = path.read_text().partition("(")[2].rpartition(")")
    return [name, *others.split()]
