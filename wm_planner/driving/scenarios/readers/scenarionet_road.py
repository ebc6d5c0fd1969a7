"""The road of a ScenarioNet description.

Lanes are centre lines, with widths where the source had them; their union is the drivable area, which is
less exact than where lanes have edges. Road lines, road edges, crosswalks and speed bumps are not read.
Lights repeat what was recorded.
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
"""What is none of these is "inactive"."""

HALF_WIDTH = 1.75
"""Of a lane without a width, in m."""

_MAX_WIDTH = 20.0  # m to one side
_MAX_LIMIT = 500.0  # km/h


def read_road(root: Dictionary, number: IdAllocator, notes: list[str]) -> Road:
    """The lanes and lights of a description; what had to be changed is added to `notes`."""
    features = {
        n: f for n, f in root.dictionary("map_features").dictionaries() if str(f.get("type")) in LANES
    }
    lines = {name: _line(feature) for name, feature in features.items()}
    notes.extend(
        f"lane {name}: no two points that differ: left out" for name in lines if len(lines[name]) < 2
    )
    lines = {name: line for name, line in lines.items() if len(line) > 1}
    ids = {name: number(name) for name in lines}
    lights = _lights(root.dictionary("dynamic_map_states"), number, notes)
    lanes = [_lane(features[name], name, lines, ids, lights, notes) for name in lines]
    return Road({lane.id: lane for lane in lanes}, lights={light.id: light for _, light in lights})


def _line(feature: Dictionary) -> Points:
    """The centre line, and the widths to its left and right, where points differ: (P, 4) in m."""
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
        notes.append(f"lane {name}: {2 * HALF_WIDTH:g} m wide where no width is given")
    widths = np.where(known, given, HALF_WIDTH)
    limit = feature.get("speed_limit_kmh")
    return Lane(
        id=ids[name],
        left=offset_polyline(line, widths[:, 0]),
        right=offset_polyline(line, -widths[:, 1]),
        kinds=LANES[str(feature.get("type"))],
        speed_limit=limit / 3.6 if isinstance(limit, (int, float)) and 0 < limit <= _MAX_LIMIT else np.inf,
        predecessors=_numbers(feature.get("entry_lanes"), ids),
        successors=_numbers(feature.get("exit_lanes"), ids),
        left_neighbour=_neighbour(feature.get("left_neighbor"), line, lines, ids),
        right_neighbour=_neighbour(feature.get("right_neighbor"), line, lines, ids),
        lights=tuple(light.id for lane, light in lights if lane == name),
    )


def _numbers(names: Any, ids: Mapping[str, int]) -> tuple[int, ...]:
    listed = names if isinstance(names, (list, tuple)) else ()
    return tuple(ids[str(name)] for name in listed if str(name) in ids)


def _neighbour(
    listed: Any, line: Points, lines: Mapping[str, Points], ids: Mapping[str, int]
) -> Neighbour | None:
    """The first neighbour that is a lane; Waymo gives dictionaries, others names."""
    for entry in listed if isinstance(listed, (list, tuple)) else ():
        name = str(entry.get("feature_id") if isinstance(entry, Mapping) else entry)
        if name in ids:
            way = lines[name][-1, :2] - lines[name][0, :2]
            return Neighbour(ids[name], bool((line[-1] - line[0]) @ way > 0))
    return None


def _lights(listed: Dictionary, number: IdAllocator, notes: list[str]) -> list[tuple[str, TrafficLight]]:
    """The lights that were recorded, each with the name of its lane."""
    lights = []
    for name, light in listed.dictionaries():
        words = light.dictionary("state").texts("object_state")
        colours = [COLOURS.get(word, "inactive") for word in words]
        if not colours:
            notes.append(f"light {name}: no states: left out")
            continue
        phases = tuple((colour, len(list(run))) for colour, run in groupby(colours))
        lights.append(
            (str(light.get("lane", name)), TrafficLight(number(name), phases, position=_place(light)))
        )
    return lights


def _place(light: Dictionary) -> tuple[float, float] | None:
    place = light.numbers("stop_point").reshape(-1)
    if len(place) < 2 or not (np.abs(place) <= MAX_NUMBER).all():
        return None
    return float(place[0]), float(place[1])
