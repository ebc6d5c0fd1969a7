"""Read the road of Argoverse 2: lane segments with edges, and drivable areas.

Lane markings and pedestrian crossings are not read.
"""

from pathlib import Path

import msgspec
import numpy as np

from wm_planner.driving.geometry.shapes import Points
from wm_planner.driving.scenarios.readers.limits import MAX_NUMBER
from wm_planner.driving.scenarios.readers.polylines import distinct, matched_edges
from wm_planner.driving.scenarios.readers.recorded import IdAllocator
from wm_planner.driving.scenarios.road import Lane, Neighbour, Road
from wm_planner.errors import ScenarioError


class _Point(msgspec.Struct):
    x: float
    y: float


class _Segment(msgspec.Struct):
    id: int
    is_intersection: bool
    lane_type: str
    left_lane_boundary: list[_Point]
    right_lane_boundary: list[_Point]
    successors: list[int] = []
    predecessors: list[int] = []
    left_neighbor_id: int | None = None
    right_neighbor_id: int | None = None


class _Area(msgspec.Struct):
    area_boundary: list[_Point]


class _Map(msgspec.Struct):
    lane_segments: dict[str, _Segment]
    drivable_areas: dict[str, _Area] = {}


_LANE_KINDS = {
    "VEHICLE": frozenset({"urban"}),
    "BIKE": frozenset({"bicycleLane"}),
    "BUS": frozenset({"busLane"}),
}


def read_road(path: Path, ids: IdAllocator, notes: list[str]) -> Road:
    """Read the road from a map file; omissions are added to `notes`.

    Raises:
        ScenarioError: if the file is missing or invalid, with the path of the invalid entry.
    """
    try:
        road = msgspec.json.decode(path.read_bytes(), type=_Map)
    except OSError as error:
        raise ScenarioError(f"{path}: the scenario's map cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not a readable map ({error})") from None
    segments = {segment.id: segment for segment in road.lane_segments.values()}
    edges = {i: edges for i, s in segments.items() if (edges := _edges(s)) is not None}
    notes.extend(
        f"lane {i}: an edge without two distinct points: left out" for i in segments if i not in edges
    )
    lane_ids = {i: ids.allocate(i) for i in edges}
    lanes = [_lane(segments[i], edges, lane_ids) for i in edges]
    areas = (_points(area.area_boundary) for area in road.drivable_areas.values())
    return Road({lane.id: lane for lane in lanes}, areas=tuple(area for area in areas if len(area) > 2))


def _points(listed: list[_Point]) -> Points:
    points = np.array([(point.x, point.y) for point in listed]).reshape(-1, 2)
    near: Points = points[(np.abs(points) <= MAX_NUMBER).all(axis=1)]
    return near[distinct(near)] if len(near) else near


def _edges(segment: _Segment) -> tuple[Points, Points] | None:
    left, right = _points(segment.left_lane_boundary), _points(segment.right_lane_boundary)
    return matched_edges(left, right) if min(len(left), len(right)) > 1 else None


def _lane(segment: _Segment, edges: dict[int, tuple[Points, Points]], ids: dict[int, int]) -> Lane:
    left, right = edges[segment.id]

    def neighbour(other: int | None) -> Neighbour | None:
        if other is None or other not in ids:
            return None
        direction = edges[other][0][-1] - edges[other][0][0]
        return Neighbour(ids[other], bool((left[-1] - left[0]) @ direction > 0))

    return Lane(
        id=ids[segment.id],
        left=left,
        right=right,
        kinds=_kinds(segment),
        predecessors=tuple(ids[i] for i in segment.predecessors if i in ids),
        successors=tuple(ids[i] for i in segment.successors if i in ids),
        left_neighbour=neighbour(segment.left_neighbor_id),
        right_neighbour=neighbour(segment.right_neighbor_id),
    )


def _kinds(segment: _Segment) -> frozenset[str]:
    kinds = _LANE_KINDS.get(segment.lane_type, frozenset())
    return kinds | {"intersection"} if segment.is_intersection else kinds
