"""Layout of the memory through which a node hands large messages of one topic to the readers on its machine.

The memory is an anonymous file (`memfd_create`): it has no name in /dev/shm, so nothing is left behind by a
process that is killed, and the size of /dev/shm does not matter. A reader opens it as `/proc/PID/fd/N`.

One page of control comes first, then slots of equal size, one message in each. In the control page
each reader owns a column of bytes that no other process writes:

- `seen`: the number of the last message that the reader has received, 8 bytes per reader;
- `holds`: whether it uses a slot, one byte per slot and reader.

A slot is free again once every reader that its message was for has received this one or a later one, and does
not use it. Where messages may be lost, the writer also takes back the oldest slot that was not received: it
withdraws the number of the message (`numbers`, 8 bytes per slot) before it looks for uses, and a reader notes
its use before it looks for the number, so that one of them sees the other.

A reader also locks the byte of its column in the file (an open file description lock). The kernel takes the
lock away when the process ends, so what a killed reader used is free, too.
"""

import fcntl
import mmap
import os
import platform
import struct
import sys
import threading
from collections.abc import Callable

import msgspec

MOST_SLOTS = 8
FEWEST_SLOTS = 4
TOPIC_BYTES = 32 * 2**20
"""Of slots, per topic: a message of more than a quarter of it is never shared."""
NODE_BYTES = 128 * 2**20
"""Of slots, per node."""
READERS = 32
"""Per topic; with more of them it is not shared."""
CONTROL_BYTES = mmap.PAGESIZE
TOKEN_BYTES = 8
OFFSET_BYTES = 60
"""Of a message in its slot: the values behind the four bytes of encapsulation are aligned to 64 bytes."""

IS_AVAILABLE = sys.platform == "linux" and hasattr(os, "memfd_create")

_SEEN_BYTES = 8 * READERS
_HOLDS_END = _SEEN_BYTES + MOST_SLOTS * READERS
_LOCK = struct.Struct("hhqqi0q")  # struct flock of a 64-bit Linux: type, whence, start, length, pid


class Offer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Tells the readers of a topic where its shared memory is.

    Attributes:
        address: of the publisher's socket.
        pid, descriptor: process and file descriptor to open it by.
        token: `TOKEN_BYTES` random bytes in the name of the file.
        slots, slot_bytes: number and size of the slots.
        number: of the last message that was written.
    """

    address: str
    pid: int
    descriptor: int
    token: bytes
    slots: int
    slot_bytes: int
    number: int = 0


REFERENCE = struct.Struct(f"<{TOKEN_BYTES}sIIQI")
"""Stands for a message in a slot: token of the memory; slot; size of the message in bytes; its number (1, 2,
3, ... per memory); bit mask of the columns of the readers that the writer waits for.
"""


class Control:
    """The control page of a memory.

    Args:
        descriptor: of the file, open for reading and writing.

    Attributes:
        seen: by column.
        holds: by slot times `READERS` plus column.
        numbers: of the messages, by slot; 0 for one that was withdrawn.
    """

    def __init__(self, descriptor: int) -> None:
        page = memoryview(mmap.mmap(descriptor, CONTROL_BYTES))
        self.seen = page[:_SEEN_BYTES].cast("Q")
        self.holds = page[_SEEN_BYTES:_HOLDS_END]
        self.numbers = page[_HOLDS_END : _HOLDS_END + 8 * MOST_SLOTS].cast("Q")


def file_name(token: bytes) -> str:
    """The name of the anonymous file, as `/proc` shows it."""
    return f"wm_planner-{token.hex()}"


def slot_start(slot: int, slot_bytes: int) -> int:
    """Offset of the message of a slot in the file."""
    return CONTROL_BYTES + slot * slot_bytes + OFFSET_BYTES


def lock_column(descriptor: int, column: int) -> bool:
    """Lock the byte of a column until the file is closed; whether it was free.

    Raises:
        OSError: if the kernel has no such locks.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, column, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_locked(descriptor: int, column: int) -> bool:
    """Whether another open file holds the lock of a column."""
    asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, column, 1, 0)
    return bool(_LOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK)


def full_fence() -> None:
    """Order all accesses to shared memory before and after: the release of a lock completes what came before,
    and its next acquisition comes before what follows.
    """
    lock = threading.Lock()
    lock.acquire()
    lock.release()
    lock.acquire()


fence: Callable[[], object] = int if platform.machine() in ("x86_64", "AMD64") else full_fence
"""Orders loads, and orders stores, before and after it; x86 does that by itself, ARM does not."""
