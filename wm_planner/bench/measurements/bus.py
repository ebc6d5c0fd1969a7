"""A picture from one process to another: the bus, bare pyzmq, iceoryx2 and rclpy in turn.

CPU time counts both processes with all their threads, user and system. It is comparable while other work
shares the machine, but grows with it, because caches are cold. So the ratios of one run count, and transports
alternate in short blocks, each with two processes of its own. All are paced equally.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from wm_planner import share
from wm_planner.bench.peer_environment import Peer, PeerProcess, python_of
from wm_planner.errors import ConfigError, MessagingError
from wm_planner.terminal import console, table

PROGRAM = "bus_transports.py"
OURS = Peer("wm-planner", "here", PROGRAM)
ROS = ("ros-kilted-rmw-fastrtps-cpp", "ros-kilted-sensor-msgs", "numpy")
PEERS = {
    "iceoryx2": Peer("iceoryx2", "0.10.0", PROGRAM, ("numpy",)),
    "rclpy": Peer("ros-kilted-rclpy", "9.1.2", PROGRAM, ROS),
}
BARE = "bare pyzmq"
TRANSPORTS = ("bus", BARE, *PEERS)

_BLOCK = 40  # pictures
_PERIOD_S = 0.002


class BusRow(NamedTuple):
    """A row of the benchmark; the best of the rounds.

    Attributes:
        transport: its name.
        cpu_us: CPU time per picture in both processes [us]: median over blocks.
        p50_us: median latency [us].
        lost: fraction of the pictures that did not arrive, in all rounds.
    """

    transport: str
    cpu_us: float
    p50_us: float
    lost: float


def bus_rows(
    transports: Sequence[str] = TRANSPORTS, size: int = 256, blocks: int = 10, rounds: int = 3
) -> list[BusRow]:
    """Send pictures over each transport in turn; one that cannot be installed is named and left out.

    Args:
        size: height and width of the RGB picture; 256 is 196 KB.
        blocks: number of blocks per round and transport, after one to warm up.
        rounds: number of rounds, each with new processes.

    Raises:
        MessagingError: if the bus lost a picture.
        ConfigError: if an installed peer cannot run; with the command that shows why.
    """
    pythons = dict(filter(None, map(_python, transports)))
    results = [_round(pythons, size, blocks) for _ in range(rounds)]
    rows = [_best([result[name] for result in results]) for name in pythons]
    for row in rows:
        if row.transport == "bus" and row.lost:
            raise MessagingError(f"the bus lost {row.lost:.1%} of the pictures: is the machine overloaded?")
    return rows


def bus_table(rows: Sequence[BusRow], size: int = 256) -> Table:
    """The rows of the benchmark as a table, with ratios to bare pyzmq."""
    title = f"a picture of {size} x {size} x 3 bytes between two processes, transports in turn"
    printed = table(title, "transport", "CPU, us", "/ bare pyzmq", "p50, us", "/ bare pyzmq", "lost")
    bare = next((row for row in rows if row.transport == BARE), None)
    for row in rows:
        ratios = (
            ("-", "-")
            if bare is None
            else (f"{row.cpu_us / bare.cpu_us:.2f}", f"{row.p50_us / bare.p50_us:.2f}")
        )
        figures = f"{row.cpu_us:.0f}", ratios[0], f"{row.p50_us:.0f}", ratios[1], f"{row.lost:.1%}"
        printed.add_row(row.transport, *figures)
    return printed


def _python(transport: str) -> tuple[str, Path] | None:
    """The interpreter of a transport; None if its peer cannot be installed."""
    if transport not in PEERS:
        return transport, Path(sys.executable)
    try:
        return transport, python_of(PEERS[transport])
    except ConfigError as error:
        console.print(f"[bold red]{transport} is not installed[/]: {error}")
        return None


def _round(pythons: dict[str, Path], size: int, blocks: int) -> dict[str, BusRow]:
    """Each transport, in two new processes."""
    measured: dict[str, list[tuple[float, list[float]]]] = {name: [] for name in pythons}
    with ExitStack() as stack:
        pairs = {}
        for name, python in pythons.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wm-bus-"))
            pairs[name] = stack.enter_context(_Pair(name, python, Path(folder), size))
        for block in range(blocks + 1):
            for name, pair in pairs.items():
                measured[name] += [pair.block()] if block else pair.warm_up()
        for pair in pairs.values():
            pair.close()
    return {name: _row(name, found) for name, found in measured.items()}


def _row(name: str, found: Sequence[tuple[float, list[float]]]) -> BusRow:
    latencies = [latency for _, block in found for latency in block]
    return BusRow(
        name,
        statistics.median(cpu_s for cpu_s, _ in found) / _BLOCK * 1e6,
        statistics.median(latencies) * 1e6,
        1 - len(latencies) / (_BLOCK * len(found)),
    )


def _best(rows: Sequence[BusRow]) -> BusRow:
    return BusRow(
        rows[0].transport,
        min(row.cpu_us for row in rows),
        min(row.p50_us for row in rows),
        statistics.mean(row.lost for row in rows),
    )


class _Pair:
    """A sending and a receiving process of a transport."""

    def __init__(self, name: str, python: Path, folder: Path, size: int) -> None:
        self._name = name
        peer = PEERS.get(name, OURS)
        path = None if name in PEERS else Path(share.__file__).parents[1]
        self._sender, self._receiver = (PeerProcess(peer, python, path) for _ in range(2))
        self._threads = ThreadPoolExecutor(2)
        self._arguments = {"transport": name, "folder": str(folder), "size": size}

    def __enter__(self) -> "_Pair":
        try:
            self._both("connect", *({**self._arguments, "is_sender": sends} for sends in (False, True)))
        except ConfigError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._sender, self._receiver):
            process.__exit__(None, None, None)
        self._threads.shutdown()

    def block(self) -> tuple[float, list[float]]:
        """CPU time of a block in both processes in s, and the latency of each picture in s."""
        received = self._threads.submit(self._receiver.call, "receive", count=_BLOCK)
        sent = self._sender.call("send", count=_BLOCK, period_s=_PERIOD_S)
        found = received.result()
        return sent + found["cpu_s"], found["latencies_s"]

    def warm_up(self) -> list[tuple[float, list[float]]]:
        """A block that does not count."""
        self.block()
        return []

    def close(self) -> None:
        """Disconnect."""
        self._both("close", {}, {})

    def _both(self, function: str, receiver: dict[str, object], sender: dict[str, object]) -> None:
        calls = [
            self._threads.submit(process.call, function, **arguments)
            for process, arguments in ((self._receiver, receiver), (self._sender, sender))
        ]
        for call in calls:
            call.result()
