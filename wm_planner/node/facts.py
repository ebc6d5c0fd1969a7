"""What nodes state about a run before it starts, so that those which do not fit are found early."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from wm_planner.errors import ConfigError

TOLERANCE = 1e-3
"""Relative difference up to which two floats agree: cards round periods such as 1/30 s."""


@dataclass(frozen=True)
class Facts:
    """Statements of one node, by what they are about. Values are compared, and shown in errors.

    Attributes:
        agrees: has the same value in every node that states it, e.g. "control period in s": 0.2.
        offers: what the node publishes, kind to name to value, e.g. "camera": {"front": "64x64 pixels"}; a
            value None fits any. A kind may be empty.
        needs: what it reads, in the same form; None for any value.
        judges: for a value that other nodes state, why this node cannot work with it; "" if it can.
    """

    agrees: Mapping[str, object] = field(default_factory=dict)
    offers: Mapping[str, Mapping[str, object | None]] = field(default_factory=dict)
    needs: Mapping[str, Mapping[str, object | None]] = field(default_factory=dict)
    judges: Mapping[str, Callable[[object], str]] = field(default_factory=dict)


Placed: TypeAlias = tuple[str, Facts]
"""The place of a node in the launch file, and its facts."""


def check_fit(nodes: Sequence[Placed], where: str) -> None:
    """Check that the nodes of a run agree, and that what they need is offered.

    A kind that no node offers is taken to come from outside, e.g. from the robot's camera driver.

    Args:
        nodes: the place of each node in the launch file, and its facts.
        where: path of the launch file.

    Raises:
        ConfigError: naming, for everything that does not fit, two nodes and both values.
    """
    misfits = [*_disagreements(nodes), *_refusals(nodes), *_missing(nodes)]
    if misfits:
        raise ConfigError(
            f"{where}: {'; '.join(misfits)}: choose a bundle, a simulator and a robot that belong together"
        )


def _disagreements(nodes: Sequence[Placed]) -> Iterator[str]:
    """Values that two nodes state differently, the first pair of each."""
    stated: dict[str, tuple[str, object]] = {}
    told = set()
    for place, facts in nodes:
        for about, value in facts.agrees.items():
            other, wanted = stated.setdefault(about, (place, value))
            if about not in told and not _equal(value, wanted):
                told.add(about)
                yield f"{about} is {_shown(value)} in {place}, but {_shown(wanted)} in {other}"


def _refusals(nodes: Sequence[Placed]) -> Iterator[str]:
    """Values that one node states and another cannot work with."""
    for place, facts in nodes:
        for about, judge in facts.judges.items():
            for other, theirs in nodes:
                reason = judge(theirs.agrees[about]) if about in theirs.agrees else ""
                if reason:
                    yield (
                        f"{about} is {_shown(theirs.agrees[about])} in {other}, which {place} cannot carry "
                        f"out: {reason}"
                    )


def _missing(nodes: Sequence[Placed]) -> Iterator[str]:
    """What a node needs and those that offer its kind do not have."""
    for place, facts in nodes:
        for kind, needs in facts.needs.items():
            sources = [(source, theirs.offers[kind]) for source, theirs in nodes if kind in theirs.offers]
            offers = {name: value for _, offered in sources for name, value in offered.items()}
            for name, value in needs.items():
                if sources and not (name in offers and _fits(value, offers[name])):
                    listed = ", ".join(_item(each, of) for each, of in offers.items()) or "none"
                    yield (
                        f"{place} needs the {kind} {_item(name, value)}, "
                        f"{' and '.join(source for source, _ in sources)} offers {listed}"
                    )


def _fits(needed: object | None, offered: object | None) -> bool:
    return needed is None or offered is None or _equal(needed, offered)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE)
    return one == other


def _item(name: str, value: object | None) -> str:
    return name if value is None else f"{name} ({_shown(value)})"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
