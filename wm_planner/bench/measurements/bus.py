"""CPU cost of sending an image between two processes over the bus, compared with bare ZeroMQ.

The benchmark compares CPU time (user and system, both processes, all threads) rather than latency, because it
is robust against other load. Both transports run in the same two processes and alternate in short blocks, so
other load affects both alike. Both are paced equally, wait in a poll as nodes do, and end with a copy of the
pixels that the receiver owns: bare ZeroMQ copies on receive, from the bus they are copied explicitly.
"""

import multiprocessing
import resource
import secrets
import statistics
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import NamedTuple, Protocol, TypeAlias

import msgspec
import numpy as np
import zmq
from numpy.typing import NDArray
from rich.table import Table

from wm_planner.clock import nanoseconds
from wm_planner.errors import MessagingError
from wm_planner.messaging import codec
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.images import image
from wm_planner.messaging.messages import Message
from wm_planner.messaging.wire import Envelope, frames_of
from wm_planner.terminal import table

_TOPIC = "/camera/benchmark/image_raw"
_BLOCK = 40  # messages
_PERIOD_S = 0.002
_POLL_S = 0.05
_TIMEOUT_S = 60.0

Costs: TypeAlias = dict[str, list[float]]  # CPU seconds of each block by transport


class BusCost(NamedTuple):
    """A row of the benchmark.

    Attributes:
        transport: "bus" or "bare pyzmq".
        message_bytes: size of a message.
        cpu_us: CPU time per message in both processes [us]: median over blocks, best of the rounds.
        ratio: relative to bare pyzmq.
    """

    transport: str
    message_bytes: int
    cpu_us: float
    ratio: float


def bus_benchmark(size: int = 256, blocks: int = 10, rounds: int = 3) -> tuple[BusCost, ...]:
    """Send images from one process to another, over bare pyzmq and over the bus in turn.

    Args:
        size: height and width of the image in pixels; 256 is 196 KB.
        blocks: number of blocks per round and transport.
        rounds: number of rounds, each with new processes; the best counts.

    Raises:
        MessagingError: if messages were lost.
    """
    results = [_round(size, blocks) for _ in range(rounds)]
    best = {name: min(cost[name] for cost in results) for name in results[0]}
    message_bytes = len(codec.encode(_image(size)))
    bare = best[_Bare.name]
    return tuple(BusCost(name, message_bytes, cpu_us, cpu_us / bare) for name, cpu_us in best.items())


def bus_table(costs: tuple[BusCost, ...]) -> Table:
    """The rows of the benchmark as a table."""
    title = f"CPU time per message of {costs[0].message_bytes} bytes between two processes"
    rows = table(title, "transport", "CPU, us", "ratio")
    for cost in costs:
        rows.add_row(cost.transport, f"{cost.cpu_us:.0f}", f"{cost.ratio:.2f}")
    return rows


class _Transport(Protocol):
    """A transport from a sending to a receiving process."""

    name: str

    def connect(self, is_sender: bool) -> None: ...

    def send(self) -> None: ...

    def receive(self) -> NDArray[np.uint8] | None: ...

    def close(self) -> None: ...


class _Bus:
    name = "bus"

    def __init__(self, domain: Domain, size: int) -> None:
        self._domain = domain
        self._message = _image(size)

    def connect(self, is_sender: bool) -> None:
        self._bus = Bus(self._domain, "sender" if is_sender else "receiver", lossless=True)
        if is_sender:
            self._bus.advertise(_TOPIC)
            self._bus.announce("active")
            self._bus.wait_for_readers({_TOPIC: 1}, _TIMEOUT_S)
        else:
            self._bus.subscribe(_TOPIC)
            self._bus.announce("active")
            while not any(endpoint.name == "sender" for endpoint in self._domain.endpoints()):
                self._bus.wait(_POLL_S)
            self._bus.refresh()

    def send(self) -> None:
        self._bus.publish(_TOPIC, self._message)

    def receive(self) -> NDArray[np.uint8] | None:
        self._bus.wait(_POLL_S)
        delivery = self._bus.receive()
        return None if delivery is None else delivery.message().data.copy()

    def close(self) -> None:
        self._bus.close(_TIMEOUT_S)


class _Bare:
    name = "bare pyzmq"

    def __init__(self, domain: Domain, size: int) -> None:
        wire = frames_of(_TOPIC)
        self._topic = wire.frame
        now_ns = time.monotonic_ns()
        envelope = msgspec.msgpack.encode(Envelope(1, now_ns, now_ns, 1, wire.type_hash))
        self._frames = [wire.frame, envelope, codec.encode(_image(size))]
        self._address = f"ipc://{domain.path / 'bare.pub'}"
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()

    def connect(self, is_sender: bool) -> None:
        self._socket = self._context.socket(zmq.XPUB if is_sender else zmq.SUB)
        if is_sender:
            self._socket.bind(self._address)
            self._socket.recv()
        else:
            self._socket.subscribe(self._topic)
            self._socket.connect(self._address)
            self._poller.register(self._socket, zmq.POLLIN)

    def send(self) -> None:
        self._socket.send_multipart(self._frames)

    def receive(self) -> NDArray[np.uint8] | None:
        if not self._poller.poll(round(_POLL_S * 1000)):
            return None
        return np.frombuffer(self._socket.recv_multipart()[2], np.uint8)

    def close(self) -> None:
        self._socket.close(round(_TIMEOUT_S * 1000))
        self._context.term()


def _round(size: int, blocks: int) -> dict[str, float]:
    """CPU time per message of each transport [us], measured in two new processes."""
    spawn = multiprocessing.get_context("spawn")
    domain = Domain.named(f"benchmark-{secrets.token_hex(4)}")
    domain.open()
    pipes, processes = [], []
    for work in (_receive_blocks, _send_blocks):
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(target=work, args=(theirs, domain.path.name, size, blocks))
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        received, sent = [_result(pipe) for pipe in pipes]
    finally:
        for process in processes:
            process.kill()
            process.join()
        domain.remove()
    return {
        name: statistics.median(map(sum, zip(sent[name], received[name], strict=True))) / _BLOCK * 1e6
        for name in sent
    }


def _send_blocks(results: Connection, domain: str, size: int, blocks: int) -> None:
    def work(transport: _Transport) -> None:
        transport.send()
        time.sleep(_PERIOD_S)

    _take_turns(results, _transports(domain, size), blocks, work, is_sender=True)


def _receive_blocks(results: Connection, domain: str, size: int, blocks: int) -> None:
    def work(transport: _Transport) -> None:
        while transport.receive() is None:
            pass

    _take_turns(results, _transports(domain, size), blocks, work, is_sender=False)


def _take_turns(
    results: Connection,
    transports: Mapping[str, _Transport],
    blocks: int,
    work: Callable[[_Transport], None],
    is_sender: bool,
) -> None:
    costs: Costs = {name: [] for name in transports}
    for transport in transports.values():
        transport.connect(is_sender)
    for _ in range(blocks):
        for name, transport in transports.items():
            before = _cpu_s()
            for _ in range(_BLOCK):
                work(transport)
            costs[name].append(_cpu_s() - before)
    results.send(costs)
    for transport in transports.values():
        transport.close()


def _transports(domain: str, size: int) -> dict[str, _Transport]:
    opened = Domain.named(domain)
    transports: tuple[_Transport, ...] = (_Bare(opened, size), _Bus(opened, size))
    return {transport.name: transport for transport in transports}


def _result(pipe: Connection) -> Costs:
    try:
        if pipe.poll(_TIMEOUT_S):
            costs: Costs = pipe.recv()
            return costs
    except EOFError:
        pass
    raise MessagingError("the benchmark lost a message: is the machine overloaded?")


def _image(size: int) -> Message:
    pixels = np.arange(size * size * 3, dtype=np.uint32).astype(np.uint8).reshape(size, size, 3)
    return image(pixels, nanoseconds(1.0), "benchmark")


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
