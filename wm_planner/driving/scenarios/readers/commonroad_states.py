"""Read CommonRoad's shapes, states and intervals, which obstacles and planning problems share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.shapes import (
    Circle,
    Points,
    Polygon,
    Rectangle,
    Shape,
    rotation,
)
from wm_planner.driving.scenarios.readers.limits import (
    ANGLES,
    ANY,
    SIZES,
    SPEEDS,
    Range,
)
from wm_planner.driving.scenarios.readers.xml import Element

MAX_STEP = 100_000
"""Maximum step of a state, which corresponds to hours."""


class State(NamedTuple):
    """A state of an obstacle.

    Attributes:
        state: x, y [m], yaw [rad], v [m/s], (4,); centres of sets if given as sets; v is NaN if not given.
        region: set of possible positions; None for an exact position.
        yaw_spread: half the width of the yaw interval, in rad.
    """

    step: int
    state: NDArray[np.float64]
    region: Shape | None
    yaw_spread: float


def read_interval(element: Element, limits: Range = ANY) -> tuple[float, float]:
    """Read <exact>, or <intervalStart> and <intervalEnd>, within limits."""
    exact = element.find("exact")
    if exact is not None:
        value = exact.number()
        return _within(element, value, limits), value
    low, high = (element.child(tag).number() for tag in ("intervalStart", "intervalEnd"))
    return _within(element, low, limits), _within(element, high, limits)


def read_angles(element: Element) -> tuple[float, float]:
    """Read an interval of angles [rad]; an end below the start is increased by full turns."""
    low, high = read_interval(element, ANGLES)
    return low, (high if high >= low else high + 2 * np.pi * np.ceil((low - high) / (2 * np.pi)))


def read_steps(element: Element) -> tuple[int, int]:
    """Read the first and last step of <time>."""
    exact = element.find("exact")
    ends = (
        [exact, exact]
        if exact is not None
        else [element.child("intervalStart"), element.child("intervalEnd")]
    )
    first, last = (end.integer() for end in ends if end is not None)
    if not 0 <= first <= last <= MAX_STEP:
        raise element.error(f"goes from step {first} to {last}, wanted 0 <= first <= last <= {MAX_STEP}")
    return first, last


def read_step(element: Element) -> int:
    """Read a <time> of a single step."""
    first, last = read_steps(element)
    if first != last:
        raise element.error(f"is an interval, {first} to {last}, wanted <exact>")
    return first


def read_shapes(parent: Element) -> tuple[Shape, ...]:
    """Read the rectangles, circles and polygons in an element, and in its groups."""
    shapes: list[Shape] = []
    for element in parent:
        if element.tag in ("shapeGroup", "absoluteShapeGroup"):
            shapes.extend(shape for group in element.children("shape") for shape in read_shapes(group))
        elif element.tag == "rectangle":
            shapes.append(_rectangle(element))
        elif element.tag == "circle":
            shapes.append(Circle(np.array(_centre(element)), _size(element, "radius")))
        elif element.tag == "polygon":
            shapes.append(_polygon(element))
        else:
            raise element.error("is not a known shape, wanted <rectangle>, <circle> or <polygon>")
    if not shapes:
        raise parent.error("has no shape, wanted <rectangle>, <circle> or <polygon>")
    return tuple(shapes)


def read_state(element: Element) -> State:
    """Read a state of a trajectory or an initial state.

    States of a point mass have velocities along the map's x and y instead of an orientation; their yaw is the
    direction of motion.
    """
    position = element.child("position")
    point = position.find("point")
    region = None if point is not None else _single_shape(position)
    x, y = point.point() if point is not None else _shape_centre(region)
    v = _mean_speed(element)
    orientation, lateral = element.find("orientation"), element.find("velocityY")
    if orientation is None and lateral is not None:
        vy = 0.5 * sum(read_interval(lateral, SPEEDS))
        low = high = float(np.arctan2(vy, v))
        v = float(np.hypot(v, vy))
    else:
        low, high = read_angles(element.child("orientation"))
    state = np.array([x, y, 0.5 * (low + high), v])
    return State(read_step(element.child("time")), state, region, 0.5 * (high - low))


def read_exact_state(element: Element) -> State:
    """Read a state without sets.

    Raises:
        ScenarioError: if the position or orientation is a set.
    """
    state = read_state(element)
    if state.region is not None or state.yaw_spread > 0:
        raise element.error("is a set of states, wanted <point> and <exact>")
    return state


def transformed(shape: Shape, state: NDArray[np.float64]) -> Shape:
    """A shape transformed from an obstacle's own frame to the map frame.

    Args:
        state: x, y, yaw, ... of the obstacle.
    """
    position, yaw = state[:2], float(state[2])
    if isinstance(shape, Polygon):
        return Polygon(position + shape.vertices @ rotation(yaw).T)
    centre = position + rotation(yaw) @ shape.centre
    if isinstance(shape, Circle):
        return Circle(centre, shape.radius)
    return Rectangle(centre, shape.length, shape.width, shape.yaw + yaw)


def enclosing_rectangle(size: tuple[float, float], state: State) -> Rectangle:
    """The rectangle along the mean yaw that encloses a box in all of its possible states.

    Source: Althoff and Dolan 2014, sec. IV.C.

    Args:
        size: length and width of the box, in m.
        state: the set of states.
    """
    length, width = size
    yaw = float(state.state[2])
    outline = state.state[None, :2] if state.region is None else state.region.outline
    local = outline @ rotation(yaw)
    low, high = local.min(axis=0), local.max(axis=0)
    along = min(state.yaw_spread, np.arctan2(width, length))
    across = min(state.yaw_spread, np.arctan2(length, width))
    return Rectangle(
        rotation(yaw) @ (0.5 * (low + high)),
        float(high[0] - low[0] + length * np.cos(along) + width * np.sin(along)),
        float(high[1] - low[1] + width * np.cos(across) + length * np.sin(across)),
        yaw,
    )


def _rectangle(element: Element) -> Rectangle:
    x, y = _centre(element)
    turned, shift = element.find("orientation"), element.find("originXShift")
    return Rectangle(
        np.array([x - (shift.number() if shift is not None else 0.0), y]),
        _size(element, "length"),
        _size(element, "width"),
        turned.number() if turned is not None else 0.0,
    )


def _polygon(element: Element) -> Polygon:
    points = element.points()
    if len(points) > 1 and np.array_equal(points[0], points[-1]):
        points = points[:-1]
    if len(points) < 3:
        raise element.error(f"has {len(points)} points, wanted 3 or more")
    return Polygon(points)


def _centre(element: Element) -> tuple[float, float]:
    centre = element.find("center")
    return (0.0, 0.0) if centre is None else centre.point()


def _size(element: Element, tag: str) -> float:
    child = element.child(tag)
    return _within(child, child.number(), SIZES)


def _within(element: Element, value: float, limits: Range) -> float:
    low, high = limits
    if not low <= value <= high:
        raise element.error(f"is {value:g}, wanted {low:g} to {high:g}")
    return value


def _single_shape(position: Element) -> Shape:
    shapes = read_shapes(position)
    if len(shapes) != 1:
        raise position.error(f"has {len(shapes)} shapes, wanted <point> or one shape")
    return shapes[0]


def _shape_centre(shape: Shape | None) -> Points:
    assert shape is not None
    return shape.vertices.mean(axis=0) if isinstance(shape, Polygon) else shape.centre


def _mean_speed(element: Element) -> float:
    child = element.find("velocity")
    return float("nan") if child is None else 0.5 * sum(read_interval(child, SPEEDS))
