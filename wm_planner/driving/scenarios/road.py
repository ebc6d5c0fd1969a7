"""The road: lanes and how they join, signs, lights, and where one may drive.

Lengths are in metres in the map's frame, speeds in m/s, steps in the scenario's dt. What a lane names by id
is in the road: readers drop references that lead nowhere and say so.
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
"""Of a road, along x and along y."""

NON_DRIVABLE_KINDS = frozenset({"sidewalk", "crosswalk"})
"""Lanes of these kinds are no place to drive."""


class Neighbour(NamedTuple):
    """The lane beside a lane.

    Attributes:
        id: its lane.
        same_direction: False for oncoming traffic.
    """

    id: int
    same_direction: bool


@dataclass(frozen=True, eq=False)
class StopLine:
    """Where to stop.

    Attributes:
        points: (2, 2), its ends, in m.
        marking: CommonRoad's word for how it is painted ("solid").
        signs: ids of the signs it belongs to.
        lights: ids of the lights it belongs to.
    """

    points: Points
    marking: str = "unknown"
    signs: tuple[int, ...] = ()
    lights: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", frozen_array(self.points, "a stop line", (2, 2)))


@dataclass(frozen=True, eq=False)
class Lane:
    """A piece of one lane (CommonRoad: lanelet); traffic runs along its points.

    Attributes:
        left: (P, 2), its left edge, P >= 2, in m.
        right: (P, 2), its right edge; point p lies across from the left edge's.
        kinds: CommonRoad's words ("urban", "highway", "intersection", "crosswalk", "bicycleLane", ...).
        speed_limit: in m/s, infinite where none is known.
        one_way: who may use it along its direction (CommonRoad's words; empty where nothing is said).
        both_ways: who may use it in both directions.
        left_marking: how its left edge is painted, CommonRoad's word.
        signs: ids of the signs that hold on it; limits of speed are in `speed_limit` alone.
        lights: ids of the lights at its end.
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
            raise ShapeError(f"lane {self.id} has {len(left)} points a side, wanted 2 or more")
        object.__setattr__(self, "left", left)
        object.__setattr__(self, "right", right)

    @property
    def centre(self) -> Points:
        """(P, 2), midway between the edges."""
        return 0.5 * (self.left + self.right)

    @property
    def polygon(self) -> Points:
        """(2 P, 2): the left edge, and the right one back."""
        return np.concatenate([self.left, self.right[::-1]])

    @property
    def is_intersection(self) -> bool:
        """Whether it lies within an intersection, as far as the source says."""
        return "intersection" in self.kinds


@dataclass(frozen=True)
class Sign:
    """A traffic sign.

    Attributes:
        codes: in the country's list, each with what is written on the sign: ("206", ()), ("310", ("Ulm",)).
        position: x, y in m; None where it stands beside its lane.
        is_virtual: it is not there to be seen.
    """

    id: int
    codes: tuple[tuple[str, tuple[str, ...]], ...]
    position: tuple[float, float] | None = None
    is_virtual: bool = False


@dataclass(frozen=True)
class TrafficLight:
    """A traffic light, for the lanes that name it.

    Attributes:
        phases: colour (one of LIGHT_COLOURS) and number of steps, in order, again and again.
        offset: step at which the first phase begins.
        direction: whom it is for: "all", "left", "leftStraight", ...
        position: x, y in m, where known.
        is_active: False when it is switched off.
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
        """Its colour at a step."""
        if not self.is_active:
            return "inactive"
        ends = tuple(accumulate(steps for _, steps in self.phases))
        at = (step - self.offset) % ends[-1]
        return next(colour for (colour, _), end in zip(self.phases, ends, strict=True) if at < end)


@dataclass(frozen=True)
class Incoming:
    """One arm of an intersection: lanes that lead in, and the lanes that go on from them, by turn."""

    id: int
    lanes: tuple[int, ...]
    left: tuple[int, ...] = ()
    straight: tuple[int, ...] = ()
    right: tuple[int, ...] = ()


@dataclass(frozen=True)
class Intersection:
    """Arms that meet; `crossings` are the lanes on which others cross."""

    id: int
    incomings: tuple[Incoming, ...]
    crossings: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Road:
    """All that does not move and is no obstacle.

    Attributes:
        lanes: by id, in the order of the source.
        signs: by id.
        lights: by id.
        areas: polygons (P, 2) in m where one may drive beside the lanes.
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
        """Polygons (P, 2) whose union is the drivable area: all lanes but footways, and `areas`."""
        lanes = (lane.polygon for lane in self.lanes.values() if not lane.kinds & NON_DRIVABLE_KINDS)
        return (*lanes, *self.areas)


def _check_extent(parts: Mapping[str, Points]) -> None:
    """Raise a ShapeError that names the part which makes a road larger than MAX_EXTENT_M."""
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
