"""The road network: lanes and their connections, signs, traffic lights and the drivable area.

Lengths are in metres in the map frame, speeds in m/s, and steps in units of the scenario's dt. All ids that a
lane refers to exist in the road: readers drop dangling references, with a note.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from wm_planner.driving.geometry.shapes import Points, frozen_array
from wm_planner.errors import ShapeError

LIGHT_COLOURS = ("inactive", "green", "yellow", "red", "redYellow")

MAX_EXTENT_M = 100_000.0
"""Maximum extent of a road along x and along y."""

NON_DRIVABLE_KINDS = frozenset({"sidewalk", "crosswalk"})
"""Kinds of lanes that are not drivable."""


class Neighbour(NamedTuple):
    """A reference to the adjacent lane.

    Attributes:
        id: of the adjacent lane.
        same_direction: False for oncoming traffic.
    """

    id: int
    same_direction: bool


@dataclass(frozen=True, eq=False)
class StopLine:
    """A stop line.

    Attributes:
        points: end points, (2, 2), in m.
        marking: CommonRoad's line marking ("solid").
        signs: ids of the signs that refer to it.
        lights: ids of the traffic lights that refer to it.
    """

    points: Points
    marking: str = "unknown"
    signs: tuple[int, ...] = ()
    lights: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", frozen_array(self.points, "a stop line", (2, 2)))


@dataclass(frozen=True, eq=False)
class Lane:
    """A segment of one lane (CommonRoad: lanelet); traffic moves in the order of its points.

    Attributes:
        left: left edge, (P, 2) with P >= 2, in m.
        right: right edge, (P, 2), in m; its points lie opposite those of the left edge.
        kinds: CommonRoad's types ("urban", "highway", "intersection", "crosswalk", "bicycleLane", ...).
        speed_limit: in m/s, infinite where none is known.
        one_way: road users that may use it in its direction, with CommonRoad's names; empty where unknown.
        bidirectional: road users that may use it in both directions.
        left_marking: CommonRoad's line marking of the left edge.
        right_marking: of the right edge.
        signs: ids of the signs that apply to it, without speed limits.
        lights: ids of the traffic lights at its end.

    Raises:
        ShapeError: if the edges have different or too few points.
    """

    id: int
    left: Points
    right: Points
    kinds: frozenset[str] = frozenset()
    speed_limit: float = np.inf
    predecessors: tuple[int, ...] = ()
    successors: tuple[int, ...] = ()
    left_neighbour: Neighbour | None = None
    right_neighbour: Neighbour | None = None
    one_way: frozenset[str] = frozenset()
    bidirectional: frozenset[str] = frozenset()
    left_marking: str = "unknown"
    right_marking: str = "unknown"
    stop_line: StopLine | None = None
    signs: tuple[int, ...] = ()
    lights: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        left = frozen_array(self.left, f"the left edge of lane {self.id}", (None, 2))
        right = frozen_array(self.right, f"the right edge of lane {self.id}", (len(left), 2))
        if len(left) < 2:
            raise ShapeError(f"lane {self.id} has {len(left)} points per edge, wanted 2 or more")
        object.__setattr__(self, "left", left)
        object.__setattr__(self, "right", right)

    @property
    def centre(self) -> Points:
        """The centre line (P, 2), midway between the edges."""
        return 0.5 * (self.left + self.right)

    @property
    def polygon(self) -> Points:
        """The outline (2 P, 2): the left edge, then the right edge reversed."""
        return np.concatenate([self.left, self.right[::-1]])

    @property
    def is_intersection(self) -> bool:
        """Whether it lies within an intersection, as far as the source tells."""
        return "intersection" in self.kinds


@dataclass(frozen=True)
class Sign:
    """A traffic sign.

    Attributes:
        codes: of the country's catalogue, with the texts on the sign: ("206", ()), ("310", ("Ulm",)).
        position: x, y in m; None if it is next to its lane.
        is_virtual: whether the sign does not physically exist.
    """

    id: int
    codes: tuple[tuple[str, tuple[str, ...]], ...]
    position: tuple[float, float] | None = None
    is_virtual: bool = False


@dataclass(frozen=True)
class TrafficLight:
    """A traffic light for the lanes that refer to it.

    Attributes:
        phases: the cycle, as colours (from LIGHT_COLOURS) and their numbers of steps.
        offset: step at which the first phase begins.
        direction: the turns it applies to: "all", "left", "leftStraight", ...
        position: x, y in m; None where unknown.
        is_active: False while it is switched off.

    Raises:
        ShapeError: if there is no phase, or a phase has an unknown colour or no step.
    """

    id: int
    phases: tuple[tuple[str, int], ...]
    offset: int = 0
    direction: str = "all"
    position: tuple[float, float] | None = None
    is_active: bool = True

    def __post_init__(self) -> None:
        if not self.phases or any(c not in LIGHT_COLOURS or n < 1 for c, n in self.phases):
            raise ShapeError(
                f"traffic light {self.id} has the phases {self.phases}, wanted one or more of a colour "
                f"({', '.join(LIGHT_COLOURS)}) and a number of steps above 0"
            )

    def colour(self, step: int) -> str:
        """The colour at a step."""
        if not self.is_active:
            return "inactive"
        ends = tuple(accumulate(steps for _, steps in self.phases))
        at = (step - self.offset) % ends[-1]
        return next(colour for (colour, _), end in zip(self.phases, ends, strict=True) if at < end)


@dataclass(frozen=True)
class Incoming:
    """An arm of an intersection: its incoming lanes, and their successors by turning direction."""

    id: int
    lanes: tuple[int, ...]
    left: tuple[int, ...] = ()
    straight: tuple[int, ...] = ()
    right: tuple[int, ...] = ()


@dataclass(frozen=True)
class Intersection:
    """An intersection; `crossings` are ids of the lanes on which pedestrians or cyclists cross."""

    id: int
    incomings: tuple[Incoming, ...]
    crossings: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Road:
    """The road network.

    Attributes:
        lanes: by id, in the order of the source.
        signs: by id.
        lights: by id.
        areas: polygons (P, 2) of drivable areas other than lanes, in m.

    Raises:
        ShapeError: if it extends over more than MAX_EXTENT_M.
    """

    lanes: Mapping[int, Lane] = field(default_factory=dict)
    signs: Mapping[int, Sign] = field(default_factory=dict)
    lights: Mapping[int, TrafficLight] = field(default_factory=dict)
    intersections: tuple[Intersection, ...] = ()
    areas: tuple[Points, ...] = ()

    def __post_init__(self) -> None:
        parts = {f"lane {lane.id}": lane.polygon for lane in self.lanes.values()}
        parts |= {f"area {index}": area for index, area in enumerate(self.areas)}
        _check_extent({name: outline for name, outline in parts.items() if len(outline)})

    @property
    def drivable(self) -> tuple[Points, ...]:
        """Polygons (P, 2) whose union is the drivable area: all drivable lanes, and `areas`."""
        lanes = (lane.polygon for lane in self.lanes.values() if not lane.kinds & NON_DRIVABLE_KINDS)
        return (*lanes, *self.areas)


def _check_extent(parts: Mapping[str, Points]) -> None:
    """Raise a ShapeError with the farthest part of a road larger than MAX_EXTENT_M."""
    if not parts:
        return
    low = np.array([part.min(axis=0) for part in parts.values()])
    high = np.array([part.max(axis=0) for part in parts.values()])
    extent = float((high.max(axis=0) - low.min(axis=0)).max())
    if extent > MAX_EXTENT_M:
        middle = np.quantile(0.5 * (low + high), 0.5, axis=0, method="lower")
        reach = np.maximum(high - middle, middle - low).max(axis=1)
        raise ShapeError(
            f"{list(parts)[reach.argmax()]} reaches {reach.max() / 1000:.6g} km from the middle of the road, "
            f"wanted a road of at most {MAX_EXTENT_M / 1000:g} km across: is a coordinate wrong, or its unit?"
        )
