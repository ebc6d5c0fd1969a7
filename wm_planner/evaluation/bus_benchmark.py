"""What the bus costs: CPU time of a picture between two processes, beside bare ZeroMQ with the same frames.

CPU time (user and system, both processes, all threads) is compared and not latency, because it survives a
busy machine. Both sides are paced alike and wait in a poll, as nodes do.
"""

import multiprocessing
import resource
import secrets
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

import msgspec
import numpy as np
import zmq
from rich.table import Table

from wm_planner.clock import nanoseconds
from wm_planner.errors import MessagingError
from wm_planner.messages import Message, image
from wm_planner.messaging import codec
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.wire import Envelope, frames_of

_TOPIC = "/camera/benchmark/image_raw"
_PERIOD_S = 0.002
_POLL_S = 0.05
_TIMEOUT_S = 30.0


class BusCost(NamedTuple):
    """A row of the benchmark.

    Attributes:
        transport: "bus" or "bare pyzmq".
        cpu_us: CPU time a message, both processes [us], best of the rounds.
        ratio: to bare pyzmq.
    """

    transport: str
    message_bytes: int
    cpu_us: float
    ratio: float


def bus_benchmark(size: int = 256, messages: int = 400, rounds: int = 3) -> tuple[BusCost, ...]:
    """Send pictures from one process to another, over bare pyzmq and over the bus in turn.

    Args:
        size: height and width of the picture in pixels; 256 is 196 KB.
        messages: how many a round.
        rounds: how many of each; the best counts.

    Raises:
        MessagingError: if messages were lost.
    """
    costs: dict[str, list[float]] = {"bare pyzmq": [], "bus": []}
    for _ in range(rounds):
        costs["bare pyzmq"].append(_cost_us(_send_bare, _receive_bare, size, messages))
        costs["bus"].append(_cost_us(_send_bus, _receive_bus, size, messages))
    best = {transport: min(found) for transport, found in costs.items()}
    message_bytes = len(codec.encode(_picture(size)))
    return tuple(
        BusCost(transport, message_bytes, cpu_us, cpu_us / best["bare pyzmq"])
        for transport, cpu_us in best.items()
    )


def bus_table(costs: tuple[BusCost, ...]) -> Table:
    """The rows of a benchmark as a table."""
    table = Table(title=f"CPU time of a message of {costs[0].message_bytes} bytes between two processes")
    for column in ("transport", "CPU [us]", "ratio"):
        table.add_column(column, justify="left" if column == "transport" else "right")
    for cost in costs:
        table.add_row(cost.transport, f"{cost.cpu_us:.0f}", f"{cost.ratio:.2f}")
    return table


def _cost_us(send: Callable[..., float], receive: Callable[..., float], size: int, messages: int) -> float:
    """CPU time a message of a sender and a receiver, each in a fresh process."""
    spawn = multiprocessing.get_context("spawn")
    domain = f"benchmark-{secrets.token_hex(4)}"
    results = []
    processes = []
    for side in (receive, send):
        ours, theirs = spawn.Pipe(duplex=False)
        processes.append(spawn.Process(target=_report, args=(theirs, side, domain, size, messages)))
        processes[-1].start()
        theirs.close()
        results.append(ours)
    try:
        return sum(_result(result) for result in results) / messages * 1e6
    finally:
        for process in processes:
            process.kill()
            process.join()
        Domain.named(domain).remove()


def _report(results: Connection, side: Callable[..., float], domain: str, size: int, messages: int) -> None:
    results.send(side(domain, size, messages))


def _result(results: Connection) -> float:
    try:
        if results.poll(_TIMEOUT_S):
            return float(results.recv())
    except EOFError:
        pass
    raise MessagingError("the benchmark lost a message; is the machine overloaded?")


def _send_bus(domain: str, size: int, messages: int) -> float:
    bus = Bus(Domain.named(domain), "sender", lossless=True)
    bus.advertise(_TOPIC)
    bus.announce("active")
    bus.wait_for_readers({_TOPIC: 1}, _TIMEOUT_S)
    message = _picture(size)
    spent = _paced(lambda: bus.publish(_TOPIC, message), messages)
    bus.close(_TIMEOUT_S)
    return spent


def _receive_bus(domain: str, size: int, messages: int) -> float:
    bus = Bus(Domain.named(domain), "receiver", lossless=True)
    bus.subscribe(_TOPIC)
    bus.announce("active")
    received, before = 0, 0.0
    while received < messages:
        bus.wait(_POLL_S)
        delivery = bus.receive()
        if delivery is not None:
            before = before or _cpu_s()
            received += _pixels_seen(delivery.message().data)
    spent = _cpu_s() - before
    bus.close()
    return spent


def _send_bare(domain: str, size: int, messages: int) -> float:
    wire = frames_of(_TOPIC)
    envelope = msgspec.msgpack.encode(
        Envelope(1, time.monotonic_ns(), time.monotonic_ns(), 1, wire.type_hash)
    )
    frames = [wire.frame, envelope, codec.encode(_picture(size))]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.XPUB)
    socket.bind(_bare_address(domain))
    socket.recv()
    spent = _paced(lambda: socket.send_multipart(frames), messages)
    socket.close(round(_TIMEOUT_S * 1000))
    context.term()
    return spent


def _receive_bare(domain: str, size: int, messages: int) -> float:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.subscribe(frames_of(_TOPIC).frame)
    socket.connect(_bare_address(domain))
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    received, before = 0, 0.0
    while received < messages:
        if poller.poll(round(_POLL_S * 1000)):
            frames = socket.recv_multipart()
            before = before or _cpu_s()
            received += _pixels_seen(np.frombuffer(frames[2], np.uint8))
    spent = _cpu_s() - before
    socket.close(0)
    context.term()
    return spent


def _bare_address(domain: str) -> str:
    place = Domain.named(domain)
    place.open()
    return f"ipc://{place.path / 'bare.pub'}"


def _paced(send: Callable[[], object], messages: int) -> float:
    """CPU time of sending, at a fixed pace so that neither side ever falls behind."""
    before = _cpu_s()
    due_ns = time.monotonic_ns()
    for _ in range(messages):
        send()
        due_ns += nanoseconds(_PERIOD_S)
        time.sleep(max(0.0, (due_ns - time.monotonic_ns()) * 1e-9))
    return _cpu_s() - before


def _picture(size: int) -> Message:
    pixels = np.arange(size * size * 3, dtype=np.uint32).astype(np.uint8).reshape(size, size, 3)
    return image(pixels, time.time_ns(), "benchmark")


def _pixels_seen(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """Count a message as received if its pixels are at hand."""
    return int(pixels.size > 0)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
