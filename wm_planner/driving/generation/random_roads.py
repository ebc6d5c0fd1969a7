"""Random roads: their lanes, and the paths that traffic follows along them."""

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
    crossing_course,
    crossing_lanes,
)
from wm_planner.driving.generation.example import CAR
from wm_planner.driving.generation.highway import parallel_lanes
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

BEFORE_M, AFTER_M = 80.0, 300.0  # road behind the ego's earliest start, and ahead of it
_LATERAL, _BRAKING, _UNLIMITED = 2.5, 1.5, 1e3  # m/s^2: in bends, before bends, after bends
_SAMPLE_M = 2.0  # spacing of a path's speed profile
_MAX_TURN = 1.2  # rad of total heading change, beyond which the road bends back
_MAX_ARC_M = 90.0
_PARKING_M = 2.2  # width of a parking strip


@dataclass(frozen=True)
class TrafficPath:
    """A path that traffic follows.

    Attributes:
        course: the line it runs along, or against if `backward`.
        offset: of the path, to the left of the course, in m.
        limit: speed limit, in m/s.
        group: lane changes are possible between adjacent paths of one group.
    """

    course: Course
    offset: float
    limit: float
    group: int
    backward: bool = False

    def poses(self, s: Floats, d: Floats) -> Poses:
        """Poses (n, 3) at arc lengths (n,) and offsets (n,) to the left of the path, in m."""
        if self.backward:
            x, y, yaw = self.course.at(self.course.length - s).T
            yaw, offset = yaw + np.pi, d - self.offset
        else:
            x, y, yaw = self.course.at(s).T
            offset = d + self.offset
        return np.stack([x - offset * np.sin(yaw), y + offset * np.cos(yaw), yaw], axis=-1)

    def speed_profile(self) -> tuple[Floats, Floats]:
        """Arc lengths (P,) in m and the allowed speeds there in m/s: the limit, lower in bends."""
        s = np.arange(0.0, self.course.length, _SAMPLE_M)
        yaw = np.unwrap(self.poses(s, np.zeros_like(s))[:, 2])
        speed = np.minimum(self.limit, curve_speed(np.gradient(yaw, s), _LATERAL))
        return s, max_speed_profile(s, speed, float(speed[0]), _UNLIMITED, _BRAKING)


@dataclass(frozen=True)
class RandomRoad:
    """A road with the paths that traffic follows.

    Attributes:
        ego_paths: indices into `paths` of those that the ego may start on.
        ego_start_s: range of the ego's first arc length on its path, in m.
        has_pedestrians: whether pedestrians may cross the road.
    """

    tags: str
    lanes: Sequence[Lane]
    paths: Sequence[TrafficPath]
    ego_paths: Sequence[int]
    ego_start_s: tuple[float, float] = (BEFORE_M, BEFORE_M + 40.0)
    parked: Sequence[Rectangle] = ()
    intersections: tuple[Intersection, ...] = ()
    has_pedestrians: bool = False


def random_road(rng: np.random.Generator) -> RandomRoad:
    """Draw a one-way road, a two-way road or an intersection."""
    make = (_one_way, _two_way, _crossing)[int(rng.choice(3, p=(0.4, 0.35, 0.25)))]
    return make(rng)


def _one_way(rng: np.random.Generator) -> RandomRoad:
    """One to four lanes in the same direction, with bends."""
    count, width, limit = int(rng.integers(1, 5)), float(rng.uniform(3.2, 3.9)), float(rng.choice(LIMITS))
    pieces, course = _winding_course(rng, limit)
    fields: dict[str, Any] = {"speed_limit": limit, "kinds": frozenset({"urban"})}
    lanes = parallel_lanes(pieces, count, width, fields)
    first = -1 if count == 3 else 0
    paths = [TrafficPath(course, (first + n) * width, limit, group=0) for n in range(count)]
    return RandomRoad("multi_lane", lanes, paths, range(count))


def _two_way(rng: np.random.Generator) -> RandomRoad:
    """One lane per direction; slow roads have crossing pedestrians and sometimes parked cars on the right."""
    width, limit = float(rng.uniform(3.0, 3.7)), float(rng.choice(LIMITS[:3]))
    pieces, course = _winding_course(rng, limit)
    lanes = [each for k in range(len(pieces)) for each in _opposing_lanes(pieces, k, width, limit)]
    paths = [
        TrafficPath(course, -width / 2, limit, 0),
        TrafficPath(course, width / 2, limit, 1, backward=True),
    ]
    parked: list[Rectangle] = []
    if limit < LIMITS[2] and rng.random() < 0.5:
        strip = -width - _PARKING_M / 2
        lanes += [
            lane(10 * k + 3, piece, strip, _PARKING_M, kinds=PARKING) for k, piece in enumerate(pieces, 1)
        ]
        parked = _parked_cars(rng, TrafficPath(course, strip, limit, 2))
    is_slow = limit < LIMITS[2]
    return RandomRoad("two_lane oncoming_traffic", lanes, paths, (0,), parked=parked, has_pedestrians=is_slow)


def _crossing(rng: np.random.Generator) -> RandomRoad:
    """An intersection: the ego turns or goes straight on, against oncoming or crossing traffic."""
    lanes, crossing = crossing_lanes()
    leave = int(rng.choice((WEST, NORTH, EAST)))
    traffic = ((NORTH, SOUTH),) if rng.random() < 0.5 else ((WEST, EAST), (EAST, WEST))
    connections = [(SOUTH, leave), *traffic]
    paths = [TrafficPath(crossing_course(*pair), 0.0, 12.0, group) for group, pair in enumerate(connections)]
    start_s = (ARM + BOX - 80.0, ARM + BOX - 30.0)
    return RandomRoad("intersection", lanes, paths, (0,), start_s, intersections=(crossing,))


def _opposing_lanes(pieces: Sequence[Course], k: int, width: float, limit: float) -> tuple[Lane, Lane]:
    """The forward and the backward lane of piece k of a road; their ids are 10 k + 11 and 10 k + 12."""
    base, is_last = 10 * (k + 1), k + 1 == len(pieces)
    fields: dict[str, Any] = {"speed_limit": limit, "kinds": frozenset({"urban"}), "left_marking": "dashed"}
    before, after = (base - 10,) * (k > 0), (base + 10,) * (not is_last)
    forward = lane(
        base + 1,
        pieces[k],
        -width / 2,
        width,
        predecessors=tuple(each + 1 for each in before),
        successors=tuple(each + 1 for each in after),
        left_neighbour=Neighbour(base + 2, False),
        **fields,
    )
    backward = Lane(
        base + 2,
        pieces[k].offset_points(0.0)[::-1].round(3),
        pieces[k].offset_points(width)[::-1].round(3),
        predecessors=tuple(each + 2 for each in after),
        successors=tuple(each + 2 for each in before),
        left_neighbour=Neighbour(base + 1, False),
        **fields,
    )
    return forward, backward


def _winding_course(rng: np.random.Generator, limit: float) -> tuple[list[Course], Course]:
    """Straights and arcs in sequence, and the course through all of them; bends allow roughly the limit."""
    course = Course(Pose(0.0, 0.0, float(rng.uniform(-np.pi, np.pi)))).straight(60.0)
    pieces, turned = [course], 0.0
    while course.length < BEFORE_M + AFTER_M:
        if rng.random() < 0.5:
            length = float(rng.uniform(20.0, 90.0))
            pieces, course = [*pieces, Course(course.end).straight(length)], course.straight(length)
        side = -np.sign(turned) if abs(turned) > _MAX_TURN else rng.choice((-1.0, 1.0))
        radius = float(limit**2 / _LATERAL * rng.uniform(0.7, 4.0) + 10.0)
        angle = float(side * min(rng.uniform(0.1, 0.9), _MAX_ARC_M / radius))
        pieces, course = [*pieces, Course(course.end).arc(angle, radius)], course.arc(angle, radius)
        turned += angle
    return pieces, course


def _parked_cars(rng: np.random.Generator, strip: TrafficPath) -> list[Rectangle]:
    """Cars parked along a strip, with random gaps."""
    s = BEFORE_M + np.cumsum(rng.uniform(6.0, 30.0, size=int(rng.integers(3, 15))))
    poses = strip.poses(s, np.zeros_like(s))
    return [Rectangle(pose[:2].round(3), *CAR, round(float(pose[2]), 4)) for pose in poses]
