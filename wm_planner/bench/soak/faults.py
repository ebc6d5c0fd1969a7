"""Faults of a running system, and a random order of them from a seed."""

from typing import Literal, TypeAlias

import msgspec
import numpy as np

Kind: TypeAlias = Literal["kill", "stop", "disk", "delay", "loss"]

LINK = "link"
"""The node of the faults of messages: what every message between the other nodes passes through."""

STOP_S = (0.3, 3.0)
DELAY_S, LOSS = 0.2, 0.05  # at most, of each message; share of messages
_LINK_S = (0.5, 2.0)  # for how long messages are late or lost
_DISK_S = (0.3, 1.0)
_ROUNDS = 2  # of all faults in one run
_PAIR_SHARE = 0.12  # of the faults that come two at once


class Fault(msgspec.Struct, frozen=True):
    """One fault.

    Attributes:
        kind: `kill` is SIGKILL, `stop` is SIGSTOP and then SIGCONT, `disk` lets no file of the process grow,
            `delay` holds each message back by 0 to DELAY_S, `loss` drops LOSS of them.
        node: that it happens to.
        duration_s: until it is over; 0 for `kill`.
    """

    kind: Kind
    node: str
    duration_s: float

    @property
    def name(self) -> str:
        return f"{self.kind} {self.node}"


def session_faults(nodes: tuple[str, ...], has_link: bool, seed: int) -> list[tuple[Fault, ...]]:
    """The faults of one run, each alone or two at once, in random order.

    Every round has each fault of each node once, so that no node is killed more often in a minute than the
    supervisor respawns it.

    Args:
        nodes: that may fail.
        has_link: whether messages can be delayed and lost.
        seed: of the order, the durations and the pairs.
    """
    rng = np.random.default_rng(seed)
    order: list[tuple[Fault, ...]] = []
    others = [node for node in nodes if node != "recorder"]
    for _ in range(_ROUNDS):
        kinds: list[tuple[Kind, str]] = [("stop", node) for node in nodes]
        kinds += [("kill", node) for node in nodes if node != "simulator"]
        kinds += [("disk", str(rng.choice(others))), ("disk", "recorder")]
        if has_link:
            kinds += [("delay", LINK), ("loss", LINK), ("delay", LINK), ("loss", LINK)]
        faults = [Fault(kind, node, _duration(kind, rng)) for kind, node in kinds]
        rng.shuffle(faults)
        order += _paired(faults, rng)
    return order


def _paired(faults: list[Fault], rng: np.random.Generator) -> list[tuple[Fault, ...]]:
    """The faults alone, and some of them two at once, of different nodes."""
    found: list[tuple[Fault, ...]] = []
    left = list(faults)
    while left:
        first = left.pop(0)
        other = next((fault for fault in left if fault.node != first.node), None)
        if other is not None and rng.random() < _PAIR_SHARE:
            left.remove(other)
            found.append((first, other))
        else:
            found.append((first,))
    return found


def _duration(kind: Kind, rng: np.random.Generator) -> float:
    spans = {"kill": (0.0, 0.0), "stop": STOP_S, "disk": _DISK_S, "delay": _LINK_S, "loss": _LINK_S}
    return float(rng.uniform(*spans[kind]))
