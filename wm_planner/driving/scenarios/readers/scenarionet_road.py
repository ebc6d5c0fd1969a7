"""Read the road of a ScenarioNet description.

Lanes are centre lines, with widths if the source has them. Their union is the drivable area, which is less
accurate than for sources with lane edges. Road lines, road edges, crosswalks and speed bumps are not read.
Traffic lights cycle through their recorded states.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np

from wm_planner.driving.geometry.shapes import Points
from wm_planner.driving.scenarios.readers.dictionary import Dictionary
from wm_planner.driving.scenarios.readers.limits import MAX_NUMBER
from wm_planner.driving.scenarios.readers.polylines import distinct, offset_polyline
from wm_planner.driving.scenarios.readers.recorded import IdAllocator
from wm_planner.driving.scenarios.road import (
    Lane,
    Neighbour,
    Road,
    TrafficLight,
)

LANES = {
    "LANE_SURFACE_STREET": frozenset({"urban"}),
    "LANE_SURFACE_UNSTRUCTURE": frozenset({"urban", "intersection"}),
    "LANE_FREEWAY": frozenset({"highway"}),
    "LANE_BIKE_LANE": frozenset({"bicycleLane"}),
    "LANE_UNKNOWN": frozenset[str](),
}

COLOURS = {
    "LANE_STATE_GO": "green",
    "LANE_STATE_ARROW_GO": "green",
    "TRAFFIC_LIGHT_GREEN": "green",
    "LANE_STATE_CAUTION": "yellow",
    "LANE_STATE_ARROW_CAUTION": "yellow",
    "LANE_STATE_FLASHING_CAUTION": "yellow",
    "TRAFFIC_LIGHT_YELLOW": "yellow",
    "LANE_STATE_STOP": "red",
    "LANE_STATE_ARROW_STOP": "red",
    "TRAFFIC_LIGHT_RED": "red",
}
"""Colours by recorded state; other states are "inactive"."""

HALF_WIDTH = 1.75
"""Half the default width of a lane, in m."""

_MAX_WIDTH = 20.0  # m, on one side of the centre line
_MAX_LIMIT = 500.0  # km/h


def read_road(root: Dictionary, ids: IdAllocator, notes: list[str]) -> Road:
    """Read the lanes and traffic lights of a description; changes are added to `notes`."""
    features = {
        n: f for n, f in root.dictionary("map_features").dictionaries() if str(f.get("type")) in LANES
    }
    lines = {name: _line(feature) for name, feature in features.items()}
    notes.extend(f"lane {name}: no two distinct points: left out" for name in lines if len(lines[name]) < 2)
    lines = {name: line for name, line in lines.items() if len(line) > 1}
    lane_ids = {name: ids.allocate(name) for name in lines}
    lights = _lights(root.dictionary("dynamic_map_states"), ids, notes)
    lanes = [_lane(features[name], name, lines, lane_ids, lights, notes) for name in lines]
    return Road({lane.id: lane for lane in lanes}, lights={light.id: light for _, light in lights})


def _line(feature: Dictionary) -> Points:
    """The distinct points of the centre line, and the widths to its left and right, (P, 4), in m."""
    line = feature.array("polyline", None, None)
    if line.shape[1] < 2 or not (np.abs(line) <= MAX_NUMBER).all():
        return np.empty((0, 4))
    widths = feature.numbers("width")
    if widths.shape != (len(line), 2):
        widths = np.zeros((len(line), 2))
    return np.concatenate([line[:, :2], widths], axis=1)[distinct(line[:, :2])]


def _lane(
    feature: Dictionary,
    name: str,
    lines: Mapping[str, Points],
    ids: Mapping[str, int],
    lights: list[tuple[str, TrafficLight]],
    notes: list[str],
) -> Lane:
    line, given = lines[name][:, :2], lines[name][:, 2:]
    known = (given > 0) & (given <= _MAX_WIDTH)
    if not known.all():
        notes.append(f"lane {name}: no width given: {2 * HALF_WIDTH:g} m is used")
    widths = np.where(known, given, HALF_WIDTH)
    limit = feature.get("speed_limit_kmh")
    return Lane(
        id=ids[name],
        left=offset_polyline(line, widths[:, 0]),
        right=offset_polyline(line, -widths[:, 1]),
        kinds=LANES[str(feature.get("type"))],
        speed_limit=limit / 3.6 if isinstance(limit, (int, float)) and 0 < limit <= _MAX_LIMIT else np.inf,
        predecessors=_known_ids(feature.get("entry_lanes"), ids),
        successors=_known_ids(feature.get("exit_lanes"), ids),
        left_neighbour=_neighbour(feature.get("left_neighbor"), line, lines, ids),
        right_neighbour=_neighbour(feature.get("right_neighbor"), line, lines, ids),
        lights=tuple(light.id for lane, light in lights if lane == name),
    )


def _known_ids(names: Any, ids: Mapping[str, int]) -> tuple[int, ...]:
    entries = names if isinstance(names, (list, tuple)) else ()
    return tuple(ids[str(name)] for name in entries if str(name) in ids)


def _neighbour(
    entries: Any, line: Points, lines: Mapping[str, Points], ids: Mapping[str, int]
) -> Neighbour | None:
    """The first entry that is a lane; entries are dictionaries in Waymo's data and names elsewhere."""
    for entry in entries if isinstance(entries, (list, tuple)) else ():
        name = str(entry.get("feature_id") if isinstance(entry, Mapping) else entry)
        if name in ids:
            direction = lines[name][-1, :2] - lines[name][0, :2]
            return Neighbour(ids[name], bool((line[-1] - line[0]) @ direction > 0))
    return None


def _lights(entries: Dictionary, ids: IdAllocator, notes: list[str]) -> list[tuple[str, TrafficLight]]:
    """The recorded traffic lights, with the names of their lanes."""
    lights = []
    for name, light in entries.dictionaries():
        states = light.dictionary("state").texts("object_state")
        colours = [COLOURS.get(state, "inactive") for state in states]
        if not colours:
            notes.append(f"light {name}: no states: left out")
            continue
        phases = tuple((colour, len(list(run))) for colour, run in groupby(colours))
        traffic_light = TrafficLight(ids.allocate(name), phases, position=_position(light))
        lights.append((str(light.get("lane", name)), traffic_light))
    return lights


def _position(light: Dictionary) -> tuple[float, float] | None:
    position = light.numbers("stop_point").reshape(-1)
    if len(position) < 2 or not (np.abs(position) <= MAX_NUMBER).all():
        return None
    return float(position[0]), float(position[1])
