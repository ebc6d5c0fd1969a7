"""The reading side of shared memory: large messages as read-only views of a publisher's slots."""

import fcntl
import functools
import mmap
import os
import threading
import weakref
from pathlib import Path

import msgspec
import numpy as np
import zmq

from wm_planner.messaging.shared_memory import (
    CONTROL_BYTES,
    IS_AVAILABLE,
    OFFSET_BYTES,
    READERS,
    REFERENCE,
    Control,
    Offer,
    fence,
    file_name,
    full_fence,
    lock_column,
    slot_start,
)
from wm_planner.messaging.subscribers import OPENED, SHARED


class Leases:
    """What one socket reads from shared memory.

    Args:
        socket: that messages arrive at.
    """

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        self._socket = socket
        self._opened: dict[tuple[str, bytes], _Memory] = {}  # by address of the publisher and topic's frame
        self._by_token: dict[bytes, _Memory] = {}
        self._offers = msgspec.msgpack.Decoder(Offer)

    def subscribe(self, frame: bytes) -> None:
        """Ask the publishers of a topic, or of all of them, to share its large messages."""
        if IS_AVAILABLE:
            self._socket.setsockopt(zmq.SUBSCRIBE, SHARED + frame)

    def accept(self, frame: bytes, offered: bytes) -> None:
        """Open the memory of a topic; where that is not possible its messages come inside frames.

        Raises:
            msgspec.DecodeError: if it is not an offer.
        """
        offer = self._offers.decode(offered)
        if offer.token in self._by_token:
            return
        self._drop((offer.address, frame))
        try:
            memory = _Memory(offer)
        except (OSError, ValueError):
            for prefix in (SHARED + frame, SHARED):  # no effect for the one that is not subscribed to
                self._socket.setsockopt(zmq.UNSUBSCRIBE, prefix)
            return
        self._opened[offer.address, frame] = self._by_token[offer.token] = memory
        self._socket.setsockopt(zmq.SUBSCRIBE, memory.mark)

    def open(self, reference: bytes) -> memoryview | None:
        """The bytes of a message, whose slot is in use until nothing refers to them any more; None if the
        message was sent before this reader had opened the memory, or came too late and is lost.

        Raises:
            struct.error: if it is not a reference.
            ValueError: if the memory cannot have such a message.
        """
        token, slot, size, number, columns = REFERENCE.unpack(reference)
        memory = self._by_token.get(token)
        return None if memory is None else memory.open(slot, size, number, columns)

    def forget(self, address: str) -> None:
        """Close the memory of a publisher that is gone."""
        for key in [key for key in self._opened if key[0] == address]:
            self._drop(key)

    def close(self) -> None:
        """Close all memory; views of messages stay valid."""
        for memory in self._opened.values():
            memory.close()
        self._opened.clear()
        self._by_token.clear()

    def _drop(self, key: tuple[str, bytes]) -> None:
        memory = self._opened.pop(key, None)
        if memory is not None:
            del self._by_token[memory.token]
            self._socket.setsockopt(zmq.UNSUBSCRIBE, memory.mark)
            memory.close()


class _Memory:
    """An opened memory.

    Raises:
        OSError: if it cannot be opened, is not what was offered, or has no place for another reader.
    """

    def __init__(self, offer: Offer) -> None:
        self.token = offer.token
        self._room_bytes = offer.slot_bytes - OFFSET_BYTES
        self._readers = READERS
        file = _opened(offer)
        try:
            self._column = _free_column(file)
            control = Control(file)
            flags, size = mmap.MAP_SHARED | mmap.MAP_POPULATE, CONTROL_BYTES + offer.slots * offer.slot_bytes
            self._bytes = mmap.mmap(file, size, flags, prot=mmap.PROT_READ)
        except OSError:
            os.close(file)
            raise
        self._file, self._is_closed = file, False
        self._held: dict[int, object] = {}
        self._lock = threading.RLock()  # views may be dropped by any thread, even inside of `open`
        self._starts = [slot_start(slot, offer.slot_bytes) for slot in range(offer.slots)]
        self._most_held = offer.slots // 2
        self._seen, self._holds, self._numbers = control.seen, control.holds, control.numbers
        self._fence = fence
        self._clear_column(offer.number)

    @property
    def mark(self) -> bytes:
        """The subscription that tells the publisher which column this reader has."""
        return OPENED + self.token + bytes([self._column])

    def open(self, slot: int, size: int, number: int, columns: int) -> memoryview | None:
        """The bytes of a message: a view, or a copy if this reader uses half of the slots already. None if
        the publisher did not know of this reader yet, or has taken the slot back.

        Raises:
            ValueError: if there is no such slot.
        """
        if slot >= len(self._starts) or not 0 < size <= self._room_bytes:
            raise ValueError(f"slot {slot} of {size} bytes, the memory has {len(self._starts)} slots")
        if not columns >> self._column & 1:
            return None
        with self._lock:
            self._holds[slot * self._readers + self._column] = 1
            full_fence()
            is_there = self._numbers[slot] == number
            self._seen[self._column] = number
            message = np.frombuffer(self._bytes, np.uint8, size, self._starts[slot])
            if is_there and len(self._held) < self._most_held:
                self._held[slot] = weakref.ref(message, functools.partial(self._release, slot))
                return message.data
            copy = message.tobytes() if is_there else None
            self._fence()
            self._holds[slot * self._readers + self._column] = 0
        return None if copy is None else memoryview(copy)

    def close(self) -> None:
        """Give up the column once no slot is in use."""
        with self._lock:
            self._is_closed = True
            _closed.add(self)
            self._close_unused()

    def _clear_column(self, number: int) -> None:
        """Let go of what a killed reader, which had the column before, used or had still to receive."""
        for slot in range(len(self._starts)):
            self._holds[slot * self._readers + self._column] = 0
        self._fence()
        self._seen[self._column] = max(number, self._seen[self._column])

    def _release(self, slot: int, _: object) -> None:
        """Runs in the thread that drops the last view, whichever it is, also while the interpreter ends."""
        with self._lock:
            self._fence()
            self._holds[slot * self._readers + self._column] = 0
            del self._held[slot]
            if self._is_closed:
                self._close_unused()

    def _close_unused(self) -> None:
        if not self._held:
            os.close(self._file)
            _closed.discard(self)


_closed: set[_Memory] = set()
"""Closed memories of which a slot is in use."""


def _opened(offer: Offer) -> int:
    """A descriptor of the offered file.

    Raises:
        OSError: if it cannot be opened, or is another one: the process has ended, or is of another container.
    """
    wanted = f"/memfd:{file_name(offer.token)} (deleted)"
    path = Path(f"/proc/{offer.pid}/fd/{offer.descriptor}")
    if str(path.readlink()) != wanted:  # before it is opened: what is not a file may not like that
        raise OSError(f"{path} is another file")
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        size = CONTROL_BYTES + offer.slots * offer.slot_bytes
        if str(Path(f"/proc/self/fd/{file}").readlink()) != wanted or os.fstat(file).st_size != size:
            raise OSError(f"{path} is another file")
        if not fcntl.fcntl(file, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
            raise OSError(f"{path} can be cut while it is read")
    except OSError:
        os.close(file)
        raise
    return file


def _free_column(file: int) -> int:
    """A column that no other reader has.

    Raises:
        OSError: if all are taken.
    """
    for column in range(READERS):
        if lock_column(file, column):
            return column
    raise OSError(f"{READERS} readers have opened it")
