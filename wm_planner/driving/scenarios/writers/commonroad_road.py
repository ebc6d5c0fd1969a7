"""The road network as CommonRoad lanelets, traffic signs, traffic lights and intersections."""

from collections.abc import Mapping

from wm_planner.driving.scenarios.road import (
    Incoming,
    Intersection,
    Lane,
    Neighbour,
    Road,
    Sign,
    StopLine,
    TrafficLight,
)
from wm_planner.driving.scenarios.writers.xml import (
    Node,
    decimal,
    node,
    point,
    refs,
)

SPEED_LIMIT_CODE = "274"


def road_nodes(road: Road, limits: Mapping[float, int]) -> list[Node]:
    """Elements of a road.

    Args:
        limits: ids of the signs of the speed limits, by limit in m/s.
    """
    return [
        *(_lane(lane, limits) for lane in road.lanes.values()),
        *(_limit_sign(identity, limit) for limit, identity in limits.items()),
        *(_sign(sign) for sign in road.signs.values()),
        *(_light(light) for light in road.lights.values()),
        *(_intersection(intersection) for intersection in road.intersections),
    ]


def _lane(lane: Lane, limits: Mapping[float, int]) -> Node:
    limit = (limits[lane.speed_limit],) if lane.speed_limit in limits else ()
    return node(
        "lanelet",
        node("leftBound", *map(point, lane.left), node("lineMarking", text=lane.left_marking)),
        node("rightBound", *map(point, lane.right), node("lineMarking", text=lane.right_marking)),
        *refs("predecessor", lane.predecessors),
        *refs("successor", lane.successors),
        *_neighbour("adjacentLeft", lane.left_neighbour),
        *_neighbour("adjacentRight", lane.right_neighbour),
        *([] if lane.stop_line is None else [_stop_line(lane.stop_line)]),
        *(node("laneletType", text=kind) for kind in sorted(lane.kinds or {"unknown"})),
        *(node("userOneWay", text=user) for user in sorted(lane.one_way)),
        *(node("userBidirectional", text=user) for user in sorted(lane.bidirectional)),
        *refs("trafficSignRef", limit + lane.signs),
        *refs("trafficLightRef", lane.lights),
        id=str(lane.id),
    )


def _neighbour(tag: str, neighbour: Neighbour | None) -> list[Node]:
    if neighbour is None:
        return []
    return [node(tag, ref=str(neighbour.id), drivingDir="same" if neighbour.same_direction else "opposite")]


def _stop_line(stop: StopLine) -> Node:
    return node(
        "stopLine",
        *map(point, stop.points),
        node("lineMarking", text=stop.marking),
        *refs("trafficSignRef", stop.signs),
        *refs("trafficLightRef", stop.lights),
    )


def _limit_sign(identity: int, limit: float) -> Node:
    return _sign(Sign(identity, ((SPEED_LIMIT_CODE, (decimal(limit),)),), is_virtual=True))


def _sign(sign: Sign) -> Node:
    codes = [
        node(
            "trafficSignElement",
            node("trafficSignID", text=code),
            *(node("additionalValue", text=value) for value in values),
        )
        for code, values in sign.codes
    ]
    virtual = node("virtual", text="true" if sign.is_virtual else "false")
    return node("trafficSign", *codes, *_position(sign.position), virtual, id=str(sign.id))


def _position(position: tuple[float, float] | None) -> list[Node]:
    return [] if position is None else [node("position", point(position))]


def _light(light: TrafficLight) -> Node:
    phases = [
        node("cycleElement", node("duration", text=str(duration)), node("color", text=colour))
        for colour, duration in light.phases
    ]
    offset = [node("timeOffset", text=str(light.offset))] if light.offset else []
    return node(
        "trafficLight",
        node("cycle", *phases, *offset),
        *_position(light.position),
        node("direction", text=light.direction),
        node("active", text="true" if light.is_active else "false"),
        id=str(light.id),
    )


def _intersection(intersection: Intersection) -> Node:
    crossings = (
        [node("crossing", *refs("crossingLanelet", intersection.crossings))] if intersection.crossings else []
    )
    return node("intersection", *map(_incoming, intersection.incomings), *crossings, id=str(intersection.id))


def _incoming(arm: Incoming) -> Node:
    return node(
        "incoming",
        *refs("incomingLanelet", arm.lanes),
        *refs("successorsRight", arm.right),
        *refs("successorsStraight", arm.straight),
        *refs("successorsLeft", arm.left),
        id=str(arm.id),
    )
