"""A domain: a private directory that holds one record per process, next to its sockets.

There is no broker and no multicast: the records tell what each node publishes, and records of dead processes
are ignored.
"""

import contextlib
import fcntl
import os
import re
import stat
import tempfile
import time
from pathlib import Path

import msgspec

from wm_planner.clock import Deadline, WallClock
from wm_planner.config import Config
from wm_planner.errors import MessagingError
from wm_planner.messaging.declarations import Declaration

_MAX_RECORD_BYTES = 2**20
_SWEPT_S = 1.0  # within which another run has seen whether a domain is abandoned
_MAX_SOCKET_PATH = 107  # sun_path holds 108 bytes, the last is zero


class Endpoint(Config, frozen=True, kw_only=True):
    """The record of one node.

    Attributes:
        publisher_id: the number in its envelopes.
        started: start time of the process in the kernel's ticks; tells it from a later one with the same pid.
        address: of its publishing socket.
        control: address of its control socket; empty without one.
        state: its lifecycle state, by ROS 2's names.
        publishes: the full hash of each topic's type.
        subscribes: topics, or "*" for all of them.
        declared: those of its topics that are not shipped.
        published: sequence of each topic's last message when the record was written; tells the readers of a
            node that leaves which messages to wait for.
    """

    name: str
    publisher_id: int
    pid: int
    started: int
    address: str
    control: str
    state: str
    publishes: dict[str, str]
    subscribes: tuple[str, ...]
    declared: tuple[Declaration, ...] = ()
    published: dict[str, int]

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return process_start(self.pid) == self.started


class Domain:
    """A directory of endpoints.

    Args:
        path: of the directory; created on first use, for this user only.

    Attributes:
        unreadable: what is wrong with the files of the directory that should be records, when they were last
            read, by name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable: dict[str, str] = {}
        self._lock: int | None = None

    @classmethod
    def named(cls, name: str) -> "Domain":
        """This user's domain `name` on this machine.

        Raises:
            MessagingError: if the name is not a plain name.
        """
        check_name(f"domain '{name}'", name)
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        base = Path(runtime) / "wm" if runtime else Path(tempfile.gettempdir()) / f"wm-{os.getuid()}"
        return cls(base / name)

    def open(self) -> None:
        """Create the directory, or check that only this user can enter it.

        Raises:
            MessagingError: if it belongs to another user, or cannot be created.
        """
        for folder in (self.path.parent, self.path):
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
                status = folder.lstat()
            except OSError as error:
                raise MessagingError(f"{folder}: the domain cannot be created ({error.strerror})") from None
            if status.st_uid != os.getuid():
                raise MessagingError(
                    f"{folder} belongs to user {status.st_uid}, wanted a directory of user {os.getuid()}: "
                    "set XDG_RUNTIME_DIR to a directory of your own"
                )
            if not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o077:
                raise MessagingError(f"{folder}: wanted a directory with mode 0700; remove it")

    def claim(self) -> None:
        """Claim the domain for one run, until `remove`.

        Raises:
            MessagingError: if live processes use it; names them.
        """
        self.open()
        self._remove_abandoned()
        deadline = Deadline.after(WallClock(), _SWEPT_S)
        while (lock := self._try_lock(deadline)) is None:
            self.open()  # the directory may have been removed meanwhile
        self.sweep()
        users = self.endpoints()
        if users:
            os.close(lock)
            raise self._in_use(", ".join(f"process {user.pid} (node '{user.name}')" for user in users))
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def _try_lock(self, deadline: Deadline) -> int | None:
        """The lock of the directory, held; None to try again.

        The directory may have been removed, or another run holds the lock for a moment to see whether the
        domain is abandoned. A run that still holds it at the deadline uses the domain.
        """
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (self.path / "lock").stat().st_ino == os.fstat(lock).st_ino:
                return lock
        except FileNotFoundError:
            pass
        except BlockingIOError:
            owner = os.read(lock, 20).decode() or "another"
            if deadline.left_s() <= 0:
                os.close(lock)
                raise self._in_use(f"process {owner}") from None
            time.sleep(0.01)
        os.close(lock)
        return None

    def remove(self) -> None:
        """Delete the directory with everything in it that is a file, and release the claim."""
        with contextlib.suppress(OSError):  # another has removed it, or put something into it
            for entry in self.path.iterdir():
                with contextlib.suppress(IsADirectoryError):
                    entry.unlink(missing_ok=True)
            self.path.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def address(self, name: str, kind: str) -> str:
        """The address of a socket of this process.

        Raises:
            MessagingError: if the name is not a plain name, or the path is longer than sockets allow.
        """
        check_name(f"node '{name}'", name)
        path = self.path / f"{name}-{os.getpid()}.{kind}"
        if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
            raise MessagingError(
                f"{path}: longer than the {_MAX_SOCKET_PATH} bytes a socket's path may have; "
                "choose a shorter domain or set XDG_RUNTIME_DIR to a short directory"
            )
        return f"ipc://{path}"

    def announce(self, endpoint: Endpoint) -> None:
        """Write a record atomically.

        Raises:
            MessagingError: if another live process has the name.
        """
        other = self._read(self._record(endpoint.name))
        if other is not None and other.publisher_id != endpoint.publisher_id and other.is_alive:
            raise MessagingError(
                f"node '{endpoint.name}' is already on domain '{self.path.name}' (process {other.pid}): "
                "stop that one or choose another name"
            )
        draft = self.path / f"{endpoint.name}-{endpoint.pid}.draft"
        draft.write_bytes(msgspec.json.encode(endpoint))
        draft.replace(self._record(endpoint.name))

    def withdraw(self, endpoint: Endpoint) -> None:
        """Delete a record, unless another process has taken the name, its socket files, and the directory if
        it is empty then.
        """
        record = self._record(endpoint.name)
        found = self._read(record)
        if found is not None and found.publisher_id == endpoint.publisher_id:
            record.unlink(missing_ok=True)
        for address in filter(None, (endpoint.address, endpoint.control)):
            Path(address.removeprefix("ipc://")).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it is not empty, or gone
            self.path.rmdir()

    def endpoints(self) -> list[Endpoint]:
        """The records of live processes, ordered by name."""
        return [endpoint for endpoint in self._records() if endpoint.is_alive]

    def mark_finished(self, name: str) -> None:
        """Tell that a node of this process has finished, while the process goes on with others."""
        self._finished(name, os.getpid()).touch()

    def has_finished(self, name: str, pid: int) -> bool:
        """Whether a node has finished that shared a process with others."""
        return self._finished(name, pid).exists()

    def sweep(self) -> None:
        """Withdraw the records of dead processes."""
        for endpoint in self._records():
            if not endpoint.is_alive:
                self.withdraw(endpoint)

    def changed_ns(self) -> int:
        """When a record was last added or removed; 0 without a directory."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _remove_abandoned(self) -> None:
        """Remove the domains that killed runs left behind: not claimed any more, without live processes."""
        for path in self.path.parent.iterdir():
            with contextlib.suppress(OSError, MessagingError), (path / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                other = Domain(path)
                if path != self.path and not other.endpoints():
                    other.remove()

    def _records(self) -> list[Endpoint]:
        """The records that can be read; what is wrong with the others is in `unreadable`."""
        try:
            paths = sorted(path for path in self.path.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            paths = []
        self.unreadable = {}
        return [endpoint for path in paths if (endpoint := self._read(path)) is not None]

    def _finished(self, name: str, pid: int) -> Path:
        return self.path / f"{name}-{pid}.finished"

    def _record(self, name: str) -> Path:
        return self.path / f"{name}.json"

    def _read(self, path: Path) -> Endpoint | None:
        """A record; None if the file is gone, or cannot be read."""
        try:
            with path.open("rb") as record:
                endpoint = msgspec.json.decode(record.read(_MAX_RECORD_BYTES), type=Endpoint)
            self._check(endpoint, path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError, MessagingError) as error:  # bytes that are no text, too
            self.unreadable[path.name] = f"{path}: not a record of this version ({error}); remove it"
            return None
        return endpoint

    def _check(self, endpoint: Endpoint, path: Path) -> None:
        """Refuse a record that is not about a node of this domain.

        Raises:
            MessagingError: if it names another node than its file, or sockets outside of the domain.
        """
        check_name("its node", endpoint.name)
        if endpoint.name != path.stem:
            raise MessagingError(f"it is about node '{endpoint.name}'")
        for address in filter(None, (endpoint.address, endpoint.control)):
            socket = Path(address.removeprefix("ipc://"))
            if not address.startswith("ipc://") or not socket.parent.samefile(self.path):
                raise MessagingError(f"the address {address!r} is not in this directory")

    def _in_use(self, users: str) -> MessagingError:
        return MessagingError(
            f"domain '{self.path.name}' is in use by {users}: stop it first, or choose another domain"
        )


def process_start(pid: int) -> int | None:
    """The start time of a process in the kernel's ticks since boot; None if it is gone or a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def check_name(what: str, name: str) -> None:
    """Refuse a name that cannot be used for folders and sockets.

    Args:
        what: describes the name, for the error.
        name: to check.

    Raises:
        MessagingError: if it is not a plain name.
    """
    if not re.fullmatch(r"\w[\w.-]{0,63}", name):
        raise MessagingError(f"{what}: wanted a name of at most 64 letters, digits, '_', '-' and '.'")
