"""Read the road of a CommonRoad file: lanelets, signs, traffic lights and intersections."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from wm_planner.driving.geometry.shapes import Points
from wm_planner.driving.scenarios.readers.polylines import matched_edges
from wm_planner.driving.scenarios.readers.xml import Element
from wm_planner.driving.scenarios.road import (
    LIGHT_COLOURS,
    Incoming,
    Intersection,
    Lane,
    Neighbour,
    Road,
    Sign,
    StopLine,
    TrafficLight,
)
from wm_planner.errors import did_you_mean

SPEED_LIMIT_CODES = frozenset({"274", "R2-1", "r301", "3.24", "R15", "C43", "B14", "Ρ-32", "B31"})
"""Codes of speed limit signs in CommonRoad's catalogues of the countries; limits are given in m/s."""

_SWAPPED_SHARE = 0.5  # of a lane; edges of some lanes cross close to an end, which is harmless

Read = TypeVar("Read")


def read_road(root: Element, notes: list[str]) -> Road:
    """Read the road; changes are added to `notes`."""
    signs = by_id(root.children("trafficSign"), _sign)
    limits = by_id(root.children("trafficSign"), _limit)
    lights = by_id(root.children("trafficLight"), _light)
    lanes = by_id(root.children("lanelet"), lambda element: _lane(element, notes))
    intersections = by_id(root.children("intersection"), lambda element: _intersection(element, lanes, notes))
    arms = [arm for intersection in intersections.values() for arm in intersection.incomings]
    inside = {lane for arm in arms for lane in _exit_lanes(arm)}
    resolver = _ReferenceResolver(lanes, signs, limits, lights, notes)
    lanes = {
        lane.id: resolver.resolved(_in_intersection(lane) if lane.id in inside else lane)
        for lane in lanes.values()
    }
    signs = {sign.id: sign for sign in signs.values() if sign.codes}
    return Road(lanes, signs, lights, tuple(intersections.values()))


def by_id(elements: Collection[Element], read: Callable[[Element], Read]) -> dict[int, Read]:
    """Read elements, by their ids.

    Raises:
        ScenarioError: if two elements share an id.
    """
    found: dict[int, Read] = {}
    for element in elements:
        if element.id() in found:
            raise element.error("has the id of another element; ids must be unique")
        found[element.id()] = read(element)
    return found


class _ReferenceResolver:
    """Drops references of lanes to elements that do not exist, with notes, and applies speed limit signs."""

    def __init__(
        self,
        lanes: Mapping[int, Lane],
        signs: Mapping[int, Sign],
        limits: Mapping[int, float],
        lights: Mapping[int, TrafficLight],
        notes: list[str],
    ) -> None:
        self.lanes, self.signs, self.limits, self.lights = lanes, signs, limits, lights
        self.notes = notes

    def resolved(self, lane: Lane) -> Lane:
        """The lane with valid references only, and with its speed limit."""
        stop = lane.stop_line
        return replace(
            lane,
            speed_limit=min([lane.speed_limit, *(self.limits[i] for i in lane.signs if i in self.limits)]),
            predecessors=self._connected(lane, lane.predecessors, "predecessor"),
            successors=self._connected(lane, lane.successors, "successor"),
            left_neighbour=self._neighbour(lane.left_neighbour, lane),
            right_neighbour=self._neighbour(lane.right_neighbour, lane),
            signs=self._signs(lane.signs, f"lane {lane.id}"),
            lights=existing_ids(lane.lights, self.lights, f"lane {lane.id}: light", self.notes),
            stop_line=stop
            and replace(
                stop,
                signs=self._signs(stop.signs, f"stop line of lane {lane.id}"),
                lights=existing_ids(
                    stop.lights, self.lights, f"stop line of lane {lane.id}: light", self.notes
                ),
            ),
        )

    def _connected(self, lane: Lane, ids: tuple[int, ...], what: str) -> tuple[int, ...]:
        """Existing lanes."""
        if lane.id in ids:
            self.notes.append(f"lane {lane.id}: refers to itself as its {what}")
        return existing_ids(ids, self.lanes, f"lane {lane.id}: {what}", self.notes)

    def _neighbour(self, neighbour: Neighbour | None, lane: Lane) -> Neighbour | None:
        ids = () if neighbour is None else (neighbour.id,)
        return neighbour if existing_ids(ids, self.lanes, f"lane {lane.id}: neighbour", self.notes) else None

    def _signs(self, ids: Iterable[int], where: str) -> tuple[int, ...]:
        """Existing signs with other codes than speed limits."""
        known = existing_ids(ids, self.signs, f"{where}: sign", self.notes)
        return tuple(i for i in known if self.signs[i].codes)


def existing_ids(
    ids: Iterable[int], existing: Collection[int], what: str, notes: list[str]
) -> tuple[int, ...]:
    """The ids among `existing`, with a note for every other id."""
    ids = tuple(ids)
    notes.extend(f"{what} {i} is not in the file: left out" for i in ids if i not in existing)
    return tuple(i for i in ids if i in existing)


def _lane(element: Element, notes: list[str]) -> Lane:
    left, right = _edges(element, notes)
    stop, limit = element.find("stopLine"), element.find("speedLimit")
    return Lane(
        id=element.id(),
        left=left,
        right=right,
        kinds=element.texts("laneletType") - {"unknown"},
        speed_limit=np.inf if limit is None else limit.number(),
        predecessors=element.ids("predecessor"),
        successors=element.ids("successor"),
        left_neighbour=_neighbour(element.find("adjacentLeft")),
        right_neighbour=_neighbour(element.find("adjacentRight")),
        one_way=element.texts("userOneWay"),
        bidirectional=element.texts("userBidirectional"),
        left_marking=element.child("leftBound").child_text("lineMarking", "unknown"),
        right_marking=element.child("rightBound").child_text("lineMarking", "unknown"),
        stop_line=None if stop is None else _stop_line(stop, left, right),
        signs=element.ids("trafficSignRef"),
        lights=element.ids("trafficLightRef"),
    )


def _edges(element: Element, notes: list[str]) -> tuple[Points, Points]:
    """The left and the right edge, resampled if their numbers of points differ."""
    left, right = (element.child(tag).points() for tag in ("leftBound", "rightBound"))
    for edge, tag in ((left, "leftBound"), (right, "rightBound")):
        if len(edge) < 2:
            raise element.child(tag).error(f"has {len(edge)} points, wanted 2 or more")
    if len(left) != len(right):
        notes.append(f"lane {element.id()}: {len(left)} points left, {len(right)} right: resampled")
        left, right = matched_edges(left, right)
    notes.extend(f"lane {element.id()}: {fault}" for fault in _edge_faults(element, left, right))
    return left, right


def _edge_faults(element: Element, left: Points, right: Points) -> Iterator[str]:
    """Faults of the edges of a lane.

    Raises:
        ScenarioError: if the edges enclose no area.
    """
    steps, across = np.diff(0.5 * (left + right), axis=0), left - right
    if not steps.any():
        raise element.error("has no length: all its points coincide")
    if not across.any():
        raise element.error("has no width: its edges coincide")
    to_left = steps[:, 0] * across[1:, 1] - steps[:, 1] * across[1:, 0]
    if np.mean(to_left < 0) > _SWAPPED_SHARE:
        yield "its left edge lies to the right of its right edge"
    moves = steps[steps.any(axis=1)]
    if ((moves[1:] * moves[:-1]).sum(axis=1) < 0).any():
        yield "it turns back on itself"


def _neighbour(element: Element | None) -> Neighbour | None:
    if element is None:
        return None
    return Neighbour(element.id("ref"), element.attribute("drivingDir", "opposite") == "same")


def _stop_line(element: Element, left: Points, right: Points) -> StopLine:
    """A stop line; without points, it lies across the end of its lane."""
    points = element.points()
    if len(points) not in (0, 2):
        raise element.error(f"has {len(points)} points, wanted 2, or 0 for the end of its lane")
    return StopLine(
        points if len(points) else np.stack([left[-1], right[-1]]),
        element.child_text("lineMarking", "unknown"),
        element.ids("trafficSignRef"),
        element.ids("trafficLightRef"),
    )


def _codes(element: Element) -> list[tuple[str, list[Element]]]:
    parts = element.children("trafficSignElement")
    return [(part.child("trafficSignID").text, part.children("additionalValue")) for part in parts]


def _limit(element: Element) -> float:
    """The speed limit of a sign, in m/s; infinite for other signs."""
    limits = [
        value.number()
        for code, values in _codes(element)
        if code in SPEED_LIMIT_CODES
        for value in values[:1]
    ]
    return min([np.inf, *limits])


def _sign(element: Element) -> Sign:
    """A sign without its speed limits."""
    return Sign(
        element.id(),
        tuple(
            (code, tuple(value.text for value in values))
            for code, values in _codes(element)
            if code not in SPEED_LIMIT_CODES
        ),
        _position(element),
        element.child_text("virtual", "false") == "true",
    )


def _light(element: Element) -> TrafficLight:
    cycle = element.child("cycle")
    offset = cycle.find("timeOffset")
    return TrafficLight(
        element.id(),
        tuple(_phase(phase) for phase in cycle.children("cycleElement")) or _refuse_empty(cycle),
        0 if offset is None else offset.integer(),
        element.child_text("direction", "all"),
        _position(element),
        element.child_text("active", "true") == "true",
    )


def _phase(element: Element) -> tuple[str, int]:
    colour, duration = element.child("color"), element.child("duration")
    if colour.text not in LIGHT_COLOURS:
        raise colour.error(f"is '{colour.text}', {did_you_mean(colour.text, LIGHT_COLOURS)}")
    if duration.integer() < 1:
        raise duration.error(f"is {duration.integer()}, wanted 1 step or more")
    return colour.text, duration.integer()


def _refuse_empty(cycle: Element) -> tuple[tuple[str, int], ...]:
    raise cycle.error("has no <cycleElement>, wanted one or more")


def _position(element: Element) -> tuple[float, float] | None:
    position = element.find("position")
    return None if position is None else position.child("point").point()


def _intersection(element: Element, lanes: Collection[int], notes: list[str]) -> Intersection:
    def refs(parent: Element, tag: str) -> tuple[int, ...]:
        return existing_ids(parent.ids(tag), lanes, f"intersection {element.id()}: {tag}", notes)

    arms = tuple(
        Incoming(
            arm.id(),
            refs(arm, "incomingLanelet"),
            *(refs(arm, f"successors{turn}") for turn in ("Left", "Straight", "Right")),
        )
        for arm in element.children("incoming")
    )
    crossings = (lane for group in element.children("crossing") for lane in refs(group, "crossingLanelet"))
    return Intersection(element.id(), arms, tuple(crossings))


def _exit_lanes(arm: Incoming) -> tuple[int, ...]:
    return arm.left + arm.straight + arm.right


def _in_intersection(lane: Lane) -> Lane:
    return replace(lane, kinds=lane.kinds | {"intersection"})
