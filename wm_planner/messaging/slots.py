"""The writing side of shared memory: a ring of slots per topic with large messages."""

import contextlib
import fcntl
import mmap
import os
import secrets

import msgspec

from wm_planner.messaging import topics
from wm_planner.messaging.codec import Buffer
from wm_planner.messaging.shared_memory import (
    CONTROL_BYTES,
    FEWEST_SLOTS,
    IS_AVAILABLE,
    MOST_SLOTS,
    NODE_BYTES,
    OFFSET_BYTES,
    READERS,
    REFERENCE,
    TOKEN_BYTES,
    TOPIC_BYTES,
    Control,
    Offer,
    fence,
    file_name,
    full_fence,
    is_locked,
    slot_start,
)
from wm_planner.messaging.subscribers import Subscribers
from wm_planner.messaging.wire import LARGE_BYTES

_encode = msgspec.msgpack.Encoder().encode


class Slots:
    """The memory of one topic.

    Args:
        address: of the publisher's socket.
        count: number of slots.
        slot_bytes: size of each, a multiple of the page size.

    Raises:
        OSError: if the memory cannot be allocated.
    """

    def __init__(self, address: str, count: int, slot_bytes: int) -> None:
        token, size = secrets.token_bytes(TOKEN_BYTES), CONTROL_BYTES + count * slot_bytes
        self._file = os.memfd_create(file_name(token), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.posix_fallocate(self._file, 0, size)  # later there is nothing that can fail: no SIGBUS
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, seals)
            self._control = Control(self._file)
            self._memory = memoryview(mmap.mmap(self._file, size, mmap.MAP_SHARED | mmap.MAP_POPULATE))
        except OSError:
            os.close(self._file)
            raise
        self.token, self.slot_bytes, self._count = token, slot_bytes, count
        self._offer = Offer(address, os.getpid(), self._file, token, count, slot_bytes)
        self._sent: list[tuple[int, tuple[int, ...]]] = [(0, ())] * count  # number and readers, by slot
        self._number = 0

    @property
    def offer(self) -> Offer:
        """What readers need to open it."""
        return msgspec.structs.replace(self._offer, number=self._number)

    @property
    def room_bytes(self) -> int:
        """Size of the largest message that fits."""
        return self.slot_bytes - OFFSET_BYTES

    @property
    def size_bytes(self) -> int:
        """Size of all slots."""
        return self._count * self.slot_bytes

    def free(self, lossless: bool) -> int | None:
        """The first slot that no reader needs any more, as the processor has it in its cache; None if all are
        in use, or (lossless) have still to be received.
        """
        found = self._first_read()
        if found is None:
            found = self._free_of_the_dead()
        return self._taken_back() if found is None and not lossless else found

    def memory(self, slot: int, size: int) -> memoryview:
        """The place of a message of `size` bytes."""
        start = slot_start(slot, self.slot_bytes)
        return self._memory[start : start + size]

    def send(self, slot: int, size: int, columns: tuple[int, ...]) -> bytes:
        """What stands for the message that was written into a slot; it is kept for these readers."""
        self._number += 1
        self._sent[slot] = (self._number, columns)
        self._control.numbers[slot] = self._number
        mask = sum([1 << column for column in columns])
        return REFERENCE.pack(self.token, slot, size, self._number, mask)

    def close(self) -> None:
        """Release the memory; readers keep what they use."""
        os.close(self._file)

    def _free_of_the_dead(self) -> int | None:
        """A slot that only readers need that have ended or disconnected."""
        needed = {column for _, columns in self._sent for column in columns}
        gone = {column for column in needed if not is_locked(self._file, column)}
        if not gone:
            return None
        self._sent = [
            (number, tuple(column for column in columns if column not in gone))
            for number, columns in self._sent
        ]
        return self._first_read()

    def _taken_back(self) -> int | None:
        """The slot with the oldest message that is not in use; readers that lack the message lose it."""
        control = self._control
        for slot in sorted(range(self._count), key=lambda each: self._sent[each][0]):
            number, _ = self._sent[slot]
            control.numbers[slot] = 0
            full_fence()
            if not any(control.holds[slot * READERS : (slot + 1) * READERS]):
                return slot
            control.numbers[slot] = number
        return None

    def _first_read(self) -> int | None:
        seen, holds = self._control.seen, self._control.holds
        for slot, (number, columns) in enumerate(self._sent):
            for column in columns:
                if seen[column] < number:
                    break
                fence()
                if holds[slot * READERS + column]:
                    break
            else:
                return slot
        return None


class SharedTopics:
    """The topics of a node whose large messages are shared.

    Args:
        address: of the node's socket.
        subscribers: of the node's topics.
        lossless: wait for readers instead of losing messages.
    """

    def __init__(self, address: str, subscribers: Subscribers, lossless: bool) -> None:
        self._address, self.lossless = address, lossless
        self._subscribers = subscribers
        self._slots: dict[str, Slots] = {}
        self._refused: dict[str, int] = {}  # the smallest size for which there was no memory
        self._known: dict[str, tuple[int, Slots, tuple[int, ...] | None]] = {}

    def of(self, topic: str, size: int) -> tuple[Slots, tuple[int, ...] | None] | None:
        """The memory for a message, and the columns of all its readers, None while one of them has not opened
        the memory. None if it has to be sent inside frames: a reader cannot share memory, the topic is
        latched (its message is kept for later readers), or there is no memory.
        """
        changes, slots, columns = self._known.get(topic, (-1, None, None))
        if slots is not None and changes == self._subscribers.changes and size <= slots.room_bytes:
            return slots, columns
        count = self._subscribers.sharing(topic)
        if not IS_AVAILABLE or count == 0 or topics.find(topic).latched:
            return None
        slots = self._slots.get(topic)
        if slots is None or slots.room_bytes < size:
            slots = self._enlarge(topic, size)
        if slots is None:
            return None
        columns = self._subscribers.columns(slots.token)
        self._known[topic] = self._subscribers.changes, slots, columns if len(columns) == count else None
        return self._known[topic][1:]

    def close(self) -> None:
        """Release all memory."""
        for slots in self._slots.values():
            slots.close()
        self._slots.clear()
        self._known.clear()

    def _enlarge(self, topic: str, size: int) -> Slots | None:
        """New memory for a topic, of at least double slots if it had some."""
        if size >= self._refused.get(topic, TOPIC_BYTES):
            return None
        old = self._slots.get(topic)
        needed = max(size + OFFSET_BYTES, 2 * old.slot_bytes if old else 0)
        slot_bytes = -(-needed // mmap.PAGESIZE) * mmap.PAGESIZE
        others = sum(slots.size_bytes for name, slots in self._slots.items() if name != topic)
        count = min(MOST_SLOTS, min(TOPIC_BYTES, NODE_BYTES - others) // slot_bytes)
        slots = None
        if count >= FEWEST_SLOTS:
            with contextlib.suppress(OSError):
                slots = Slots(self._address, count, slot_bytes)
        if slots is None:
            self._refused[topic] = size
            return None
        if old is not None:
            old.close()
        self._slots[topic] = slots
        return slots


class Loan:
    """Room in shared memory for one message, taken when its size is known.

    Args:
        shared: topics of the node.
        topic: of the message.

    Attributes:
        offer: what the readers of the topic have to be told before the message, if anything.
    """

    __slots__ = ("_place", "_shared", "_topic", "offer")

    def __init__(self, shared: SharedTopics, topic: str) -> None:
        self.offer: bytes | None = None
        self._shared, self._topic = shared, topic
        self._place: tuple[Slots, int, tuple[int, ...]] | None = None

    def room(self, size: int) -> memoryview | None:
        """Memory for a message of `size` bytes; None if it has to be sent inside frames."""
        found = self._shared.of(self._topic, size) if size > LARGE_BYTES else None
        if found is None:
            return None
        slots, columns = found
        if columns is None:
            self.offer = _encode(slots.offer)
            return None
        slot = slots.free(self._shared.lossless)
        if slot is None:
            return None
        self._place = slots, slot, columns
        return slots.memory(slot, size)

    def reference(self, data: Buffer) -> bytes | None:
        """What stands for a message, which is copied into its room unless it was written there."""
        if self._place is None and (room := self.room(len(data))) is not None:
            room[:] = data
        if self._place is None:
            return None
        slots, slot, columns = self._place
        return slots.send(slot, len(data), columns)
