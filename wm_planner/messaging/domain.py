"""A domain is a private directory: every process on it leaves one record there, beside its sockets.

No broker and no multicast: who publishes what is read from the records, and a record whose process is
gone counts for nothing.
"""

import contextlib
import fcntl
import os
import re
import tempfile
from pathlib import Path

import msgspec

from wm_planner.config import Config
from wm_planner.errors import MessagingError

_MAX_SOCKET_PATH = 107  # sun_path holds 108 bytes, the last is zero


class Endpoint(Config, frozen=True, kw_only=True):
    """The record of one node.

    Attributes:
        publisher_id: the number in its envelopes.
        started: start time of the process, in the kernel's ticks: tells it from a later one of the same pid.
        address: where it publishes.
        control: where its supervisor reaches it; empty for one without.
        state: its lifecycle state, in ROS 2's words.
        publishes: topic to the full hash of its type.
        subscribes: topics, or "*" for all of them.
        published: topic to the sequence of its last message when the record was written; a node that leaves
            tells its readers so what they may wait for.
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
    published: dict[str, int]

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return process_start(self.pid) == self.started


class Domain:
    """A directory of endpoints.

    Args:
        path: where it is; made on first use, for this user alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @classmethod
    def named(cls, name: str) -> "Domain":
        """The domain of that name of this user on this machine.

        Raises:
            MessagingError: if the name is no plain name.
        """
        check_name(f"domain '{name}'", name)
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        base = Path(runtime) / "wm" if runtime else Path(tempfile.gettempdir()) / f"wm-{os.getuid()}"
        return cls(base / name)

    def open(self) -> None:
        """Make the directory, or check that it is ours alone.

        Raises:
            MessagingError: if it is another user's, or cannot be made.
        """
        for folder in (self.path.parent, self.path):
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
                status = folder.lstat()
            except OSError as error:
                raise MessagingError(f"{folder}: the domain cannot be made ({error.strerror})") from None
            if status.st_uid != os.getuid() or status.st_mode & 0o077:
                raise MessagingError(
                    f"{folder}: wanted a directory of user {os.getuid()} with mode 0700; remove it"
                )

    def claim(self) -> None:
        """Take the domain for one run, until `remove`.

        Raises:
            MessagingError: if live processes use it, with their numbers.
        """
        self.open()
        self._remove_abandoned()
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 20).decode() or "another"
            os.close(lock)
            raise self._in_use(f"process {owner}") from None
        self.sweep()
        users = self.endpoints()
        if users:
            os.close(lock)
            raise self._in_use(", ".join(f"process {user.pid} (node '{user.name}')" for user in users))
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def remove(self) -> None:
        """Delete the directory and all that is left in it, and give up the claim."""
        with contextlib.suppress(FileNotFoundError):
            for entry in self.path.iterdir():
                entry.unlink(missing_ok=True)
            self.path.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def address(self, name: str, kind: str) -> str:
        """Where a socket of this process is bound.

        Raises:
            MessagingError: if the name is no plain name, or the path is longer than sockets allow.
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
        """Write a record, at once or not at all.

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
        """Delete a record and what its sockets left, unless another process has taken the name since; and
        the directory, where it is the last one.
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
        """The records of live processes, by name."""
        return [endpoint for endpoint in self._records() if endpoint.is_alive]

    def sweep(self) -> None:
        """Withdraw the records of dead processes."""
        for endpoint in self._records():
            if not endpoint.is_alive:
                self.withdraw(endpoint)

    def changed_ns(self) -> int:
        """When a record last came or went; 0 if there is no directory."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _remove_abandoned(self) -> None:
        """Remove what killed runs left beside this domain: claimed once, by nobody now, and empty of life."""
        for path in self.path.parent.iterdir():
            with contextlib.suppress(OSError, MessagingError), (path / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                other = Domain(path)
                if path != self.path and not other.endpoints():
                    other.remove()

    def _records(self) -> list[Endpoint]:
        found = (self._read(path) for path in sorted(self.path.glob("*.json")))
        return [endpoint for endpoint in found if endpoint is not None]

    def _record(self, name: str) -> Path:
        return self.path / f"{name}.json"

    def _read(self, path: Path) -> Endpoint | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Endpoint)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise MessagingError(f"{path}: not a record of this version ({error}); remove it") from None

    def _in_use(self, users: str) -> MessagingError:
        return MessagingError(
            f"domain '{self.path.name}' is in use by {users}: stop it first, or choose another domain"
        )


def process_start(pid: int) -> int | None:
    """When a process started, in the kernel's ticks since boot; None if it is gone or a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def check_name(what: str, name: str) -> None:
    """Refuse what cannot be the name of a folder and of sockets.

    Args:
        what: the name and whose it is, for the error.
        name: the name itself.

    Raises:
        MessagingError: if it is no plain name.
    """
    if not re.fullmatch(r"\w[\w.-]{0,63}", name):
        raise MessagingError(f"{what}: wanted a name of at most 64 letters, digits, '_', '-' and '.'")
