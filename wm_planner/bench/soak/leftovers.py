"""What a run has left behind on the machine: processes, shared memory, sockets, locks."""

import contextlib
from pathlib import Path

from wm_planner.messaging.domain import Domain

_SHARED = Path("/dev/shm")


class Leftovers:
    """Compares the machine after a run with what it was before.

    Args:
        domain: of the run.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._before = _shared_memory()

    def find(self) -> tuple[str, ...]:
        """What is left of the run, in words."""
        name = self._domain.path.name
        found = [f"process {pid}: {command}" for pid, command in _processes(f'"domain":"{name}"')]
        if self._domain.path.exists():
            files = sorted(path.name for path in self._domain.path.iterdir())
            found.append(f"{self._domain.path} with {', '.join(files) or 'nothing'}")
        found += [f"/dev/shm/{each}" for each in sorted(_shared_memory() - self._before) if name in each]
        return tuple(found)


def _processes(mark: str) -> list[tuple[int, str]]:
    """The processes with a mark in their command line, without defunct ones."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if mark in command:
                found.append((int(entry.name), command.split(" {")[0]))
    return found


def _shared_memory() -> frozenset[str]:
    return frozenset(path.name for path in _SHARED.iterdir()) if _SHARED.is_dir() else frozenset()
