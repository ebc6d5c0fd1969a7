"""Agents, obstacles and occupancies as CommonRoad obstacles; shapes and states for other elements."""

from collections.abc import Iterator

import numpy as np

from wm_planner.driving.geometry.shapes import (
    Circle,
    Polygon,
    Rectangle,
    Shape,
)
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import Obstacle, Occupancy, Tracks
from wm_planner.driving.scenarios.writers.xml import (
    Node,
    exact,
    node,
    number,
    point,
    steps,
)

_ENVIRONMENT = frozenset({"building", "pillar", "median_strip"})


def object_nodes(scenario: Scenario) -> list[Node]:
    """Elements of obstacles, agents and occupancies."""
    return [
        *(_obstacle(o) for o in scenario.obstacles if o.kind not in _ENVIRONMENT),
        *_agents(scenario),
        *_phantoms(scenario),
        *(_environment_obstacle(o) for o in scenario.obstacles if o.kind in _ENVIRONMENT),
    ]


def shape_node(shape: Shape) -> Node:
    """A shape in the map frame."""
    if isinstance(shape, Polygon):
        return node("polygon", *map(point, shape.vertices))
    centre = point(shape.centre, "center")
    if isinstance(shape, Circle):
        return node("circle", number("radius", shape.radius), centre)
    return node("rectangle", *_box(shape.length, shape.width), number("orientation", shape.yaw), centre)


def _box(length: float, width: float) -> tuple[Node, Node]:
    return number("length", length), number("width", width)


def state_node(tag: str, xy: tuple[float, float], yaw: float, step: int, **quantities: float) -> Node:
    """A state: `xy` [m], `yaw` [rad], and further quantities with CommonRoad's names."""
    return node(
        tag,
        node("position", point(xy)),
        exact("orientation", yaw),
        steps(step, step),
        *(exact(name, value) for name, value in quantities.items()),
    )


def _obstacle(obstacle: Obstacle) -> Node:
    """A static obstacle; a single rectangle or circle is placed by its state, as most readers expect."""
    xy, yaw = (0.0, 0.0), 0.0
    shapes = [shape_node(shape) for shape in obstacle.shapes]
    if len(obstacle.shapes) == 1 and not isinstance(obstacle.shapes[0], Polygon):
        shape = obstacle.shapes[0]
        xy = (float(shape.centre[0]), float(shape.centre[1]))
        if isinstance(shape, Rectangle):
            shapes, yaw = [node("rectangle", *_box(shape.length, shape.width))], shape.yaw
        else:
            shapes = [node("circle", number("radius", shape.radius))]
    return node(
        "staticObstacle",
        node("type", text=obstacle.kind),
        node("shape", *shapes),
        state_node("initialState", xy, yaw, 0),
        id=str(obstacle.id),
    )


def _environment_obstacle(obstacle: Obstacle) -> Node:
    shape = node("shape", *map(shape_node, obstacle.shapes))
    return node("environmentObstacle", node("type", text=obstacle.kind), shape, id=str(obstacle.id))


def _agents(scenario: Scenario) -> Iterator[Node]:
    sets = {occupancy.id: occupancy for occupancy in scenario.occupancies}
    tracks = scenario.tracks
    for row, identity in enumerate(tracks.ids):
        first, *later = np.flatnonzero(tracks.valid[row]).tolist()
        if identity in sets:
            prediction = [_occupancy_set(sets[identity])]
        elif later:
            states = (_track_state("state", tracks, row, step) for step in later)
            prediction = [node("trajectory", *states)]
        else:
            prediction = []
        yield node(
            "dynamicObstacle",
            node("type", text=tracks.kinds[row]),
            node("shape", node("rectangle", *_box(*tracks.sizes[row]))),
            _track_state("initialState", tracks, row, first),
            *prediction,
            id=str(identity),
        )


def _track_state(tag: str, tracks: Tracks, row: int, step: int) -> Node:
    state = tracks.states[row, step]
    return state_node(tag, (state[0], state[1]), state[YAW], step, velocity=state[SPEED])


def _phantoms(scenario: Scenario) -> Iterator[Node]:
    for occupancy in scenario.occupancies:
        if occupancy.id not in scenario.tracks.ids:
            yield node("phantomObstacle", _occupancy_set(occupancy), id=str(occupancy.id))


def _occupancy_set(occupancy: Occupancy) -> Node:
    regions = (
        node(
            "occupancy",
            node("shape", *map(shape_node, region.shapes)),
            steps(region.first_step, region.last_step),
        )
        for region in occupancy.regions
    )
    return node("occupancySet", *regions)
