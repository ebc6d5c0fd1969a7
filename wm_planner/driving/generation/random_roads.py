"""Roads drawn at random: their lanes, and the ways that traffic takes along them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.generation.crossings import (
    ARM,
    BOX,
    EAST,
    NORTH,
    SOUTH,
    WEST,
    crossing_lanes,
    over_crossing,
)
from wm_planner.driving.generation.example import CAR
from wm_planner.driving.generation.highway import sections
from wm_planner.driving.geometry.shapes import Rectangle
from wm_planner.driving.scenarios.building import (
    Course,
    Pose,
    Poses,
    lane,
)
from wm_planner.driving.scenarios.road import Intersection, Lane, Neighbour
from wm_planner.driving.traffic.speed_profile import curve_speed, max_speed_profile

Floats = NDArray[np.float64]

LIMITS = (8.33, 13.89, 19.44, 22.22)
"""Speed limits, in m/s: 30, 50, 70 and 80 km/h."""

PARKING = frozenset({"parking"})

BEFORE_M, AFTER_M = 80.0, 300.0  # of road behind the ego's earliest and latest place
_LATERAL, _BRAKING, _AT_ONCE = 2.5, 1.5, 1e3  # m/s^2: in bends, before them, after them
_SAMPLE_M = 2.0  # of the speeds of a way
_TURNED = 1.2  # rad: a road that has turned by more turns back
_LONGEST_M = 90.0  # of an arc
_PARKING_M = 2.2  # width of a strip with parked cars


@dataclass(frozen=True)
class Way:
    """What one follows.

    Attributes:
        course: along it, or against it where `backward`.
        offset: of the way, to the left of the course, in m.
        limit: speed limit, in m/s.
        beside: number of the group of ways that lie beside each other, between which lanes are changed.
    """

    course: Course
    offset: float
    limit: float
    beside: int
    backward: bool = False

    def poses(self, s: Floats, d: Floats) -> Poses:
        """Poses (n, 3) at lengths (n,) and offsets (n,) to the left of the way, in m."""
        if self.backward:
            x, y, yaw = self.course.at(self.course.length - s).T
            yaw, aside = yaw + np.pi, d - self.offset
        else:
            x, y, yaw = self.course.at(s).T
            aside = d + self.offset
        return np.stack([x - aside * np.sin(yaw), y + aside * np.cos(yaw), yaw], axis=-1)

    def speeds(self) -> tuple[Floats, Floats]:
        """Lengths (P,) in m, and how fast one may be there, in m/s: within the limit, slower in bends."""
        s = np.arange(0.0, self.course.length, _SAMPLE_M)
        yaw = np.unwrap(self.poses(s, np.zeros_like(s))[:, 2])
        wanted = np.minimum(self.limit, curve_speed(np.gradient(yaw, s), _LATERAL))
        return s, max_speed_profile(s, wanted, float(wanted[0]), _AT_ONCE, _BRAKING)


@dataclass(frozen=True)
class RandomRoad:
    """A road.

    Attributes:
        ways: that traffic takes; those of the ego by their places in it: `own`.
        begin_s: where the ego may start on its way, from and to, in m.
        crossed: whether people may walk across it.
    """

    tags: str
    lanes: Sequence[Lane]
    ways: Sequence[Way]
    own: Sequence[int]
    begin_s: tuple[float, float] = (BEFORE_M, BEFORE_M + 40.0)
    parked: Sequence[Rectangle] = ()
    intersections: tuple[Intersection, ...] = ()
    crossed: bool = False


def random_road(rng: np.random.Generator) -> RandomRoad:
    """One of the kinds below."""
    make = (_one_way, _two_way, _crossing)[int(rng.choice(3, p=(0.4, 0.35, 0.25)))]
    return make(rng)


def _one_way(rng: np.random.Generator) -> RandomRoad:
    """One to four lanes that bend."""
    count, width, limit = int(rng.integers(1, 5)), float(rng.uniform(3.2, 3.9)), float(rng.choice(LIMITS))
    pieces, course = _winding(rng, limit)
    about: dict[str, Any] = {"speed_limit": limit, "kinds": frozenset({"urban"})}
    lanes = sections(pieces, count, width, about)
    first = -1 if count == 3 else 0
    ways = [Way(course, (first + n) * width, limit, beside=0) for n in range(count)]
    return RandomRoad("multi_lane", lanes, ways, range(count))


def _two_way(rng: np.random.Generator) -> RandomRoad:
    """A lane each way, sometimes with parked cars on the right, and people who cross."""
    width, limit = float(rng.uniform(3.0, 3.7)), float(rng.choice(LIMITS[:3]))
    pieces, course = _winding(rng, limit)
    lanes = [each for k in range(len(pieces)) for each in _both_ways(pieces, k, width, limit)]
    ways = [Way(course, -width / 2, limit, 0), Way(course, width / 2, limit, 1, backward=True)]
    parked: list[Rectangle] = []
    if limit < LIMITS[2] and rng.random() < 0.5:
        strip = -width - _PARKING_M / 2
        lanes += [
            lane(10 * k + 3, piece, strip, _PARKING_M, kinds=PARKING) for k, piece in enumerate(pieces, 1)
        ]
        parked = _parked(rng, Way(course, strip, limit, 2))
    crossed = limit < LIMITS[2]
    return RandomRoad("two_lane oncoming_traffic", lanes, ways, (0,), parked=parked, crossed=crossed)


def _crossing(rng: np.random.Generator) -> RandomRoad:
    """Left, right or straight on over a crossing, among those who come towards the ego, or from the sides."""
    lanes, crossing = crossing_lanes()
    leave = int(rng.choice((WEST, NORTH, EAST)))
    others = ((NORTH, SOUTH),) if rng.random() < 0.5 else ((WEST, EAST), (EAST, WEST))
    driven = [(SOUTH, leave), *others]
    ways = [Way(over_crossing(*pair), 0.0, 12.0, beside) for beside, pair in enumerate(driven)]
    near = (ARM + BOX - 80.0, ARM + BOX - 30.0)
    return RandomRoad("intersection", lanes, ways, (0,), near, intersections=(crossing,))


def _both_ways(pieces: Sequence[Course], k: int, width: float, limit: float) -> tuple[Lane, Lane]:
    """The lanes there and back along piece k of a road: 10 k + 11 and 10 k + 12."""
    number, last = 10 * (k + 1), k + 1 == len(pieces)
    about: dict[str, Any] = {"speed_limit": limit, "kinds": frozenset({"urban"}), "left_marking": "dashed"}
    before, after = (number - 10,) * (k > 0), (number + 10,) * (not last)
    there = lane(
        number + 1,
        pieces[k],
        -width / 2,
        width,
        predecessors=tuple(each + 1 for each in before),
        successors=tuple(each + 1 for each in after),
        left_neighbour=Neighbour(number + 2, False),
        **about,
    )
    back = Lane(
        number + 2,
        pieces[k].offset_points(0.0)[::-1].round(3),
        pieces[k].offset_points(width)[::-1].round(3),
        predecessors=tuple(each + 2 for each in after),
        successors=tuple(each + 2 for each in before),
        left_neighbour=Neighbour(number + 1, False),
        **about,
    )
    return there, back


def _winding(rng: np.random.Generator, limit: float) -> tuple[list[Course], Course]:
    """Straights and arcs one after the other, and all of them: bent so that one can nearly keep the limit."""
    course = Course(Pose(0.0, 0.0, float(rng.uniform(-np.pi, np.pi)))).straight(60.0)
    pieces, turned = [course], 0.0
    while course.length < BEFORE_M + AFTER_M:
        if rng.random() < 0.5:
            length = float(rng.uniform(20.0, 90.0))
            pieces, course = [*pieces, Course(course.end).straight(length)], course.straight(length)
        side = -np.sign(turned) if abs(turned) > _TURNED else rng.choice((-1.0, 1.0))
        radius = float(limit**2 / _LATERAL * rng.uniform(0.7, 4.0) + 10.0)
        angle = float(side * min(rng.uniform(0.1, 0.9), _LONGEST_M / radius))
        pieces, course = [*pieces, Course(course.end).arc(angle, radius)], course.arc(angle, radius)
        turned += angle
    return pieces, course


def _parked(rng: np.random.Generator, way: Way) -> list[Rectangle]:
    """Cars at the kerb, gaps between them."""
    s = BEFORE_M + np.cumsum(rng.uniform(6.0, 30.0, size=int(rng.integers(3, 15))))
    poses = way.poses(s, np.zeros_like(s))
    return [Rectangle(pose[:2].round(3), *CAR, round(float(pose[2]), 4)) for pose in poses]
