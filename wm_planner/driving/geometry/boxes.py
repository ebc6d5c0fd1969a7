"""Oriented boxes: corners, overlap, distance. A box is x, y of its centre [m], yaw [rad], length, width [m].

All computations use float64: float32 would round to hundredths of a millimetre on a map of a few hundred
metres.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.state_columns import YAW, X, Y

Floats = NDArray[np.float64]

LENGTH, WIDTH = 3, 4  # columns of a box, after those of its pose


def oriented_boxes(poses: Floats, sizes: ArrayLike) -> Floats:
    """Boxes (..., 5) from the poses (..., 3 or more) of their centres, and lengths and widths (..., 2)."""
    broadcast = np.broadcast_to(np.asarray(sizes, np.float64), (*poses.shape[:-1], 2))
    return np.concatenate([poses[..., :3], broadcast], axis=-1)


def box_corners(boxes: Floats) -> Floats:
    """Corners (..., 4, 2) of boxes (..., 5): front left, rear left, rear right, front right."""
    cos, sin = np.cos(boxes[..., YAW]), np.sin(boxes[..., YAW])
    along, across = boxes[..., LENGTH] / 2, boxes[..., WIDTH] / 2
    found = np.empty((*boxes.shape[:-1], 4, 2))
    for corner, (front, left) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        found[..., corner, 0] = boxes[..., X] + front * along * cos - left * across * sin
        found[..., corner, 1] = boxes[..., Y] + front * along * sin + left * across * cos
    return found


def overlap(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Whether boxes (..., 5) touch or overlap their counterparts (..., 5), (...); False for NaN boxes."""
    touching: NDArray[np.bool_] = _largest_gap(first, second) <= 0
    return touching


def clearance(first: Floats, second: Floats) -> Floats:
    """Distances (...) between boxes (..., 5) and their counterparts in m.

    For overlapping boxes it is the negative penetration depth: the shortest translation that separates them.
    """
    distance = np.minimum(_corner_distance(first, second), _corner_distance(second, first))
    gap = _largest_gap(first, second)
    return np.where(gap <= 0, gap, distance)


def gap_ahead(ego: Floats, obstacles: Floats, margin: float = 0.0) -> Floats:
    """The bumper-to-bumper gap in m along the ego's heading to each obstacle in its straight path, (...).

    Args:
        ego: boxes (..., 5).
        obstacles: boxes (..., 5), broadcast against `ego`.
        margin: added to the ego's width on both sides, in m.

    Returns:
        Gaps (...), infinite for boxes behind the ego's centre or next to its path, 0 for overlapping ones.
    """
    cos, sin = np.cos(ego[..., YAW]), np.sin(ego[..., YAW])
    dx, dy = obstacles[..., X] - ego[..., X], obstacles[..., Y] - ego[..., Y]
    turn = obstacles[..., YAW] - ego[..., YAW]
    c, s = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    half_length = (obstacles[..., LENGTH] * c + obstacles[..., WIDTH] * s) / 2
    half_width = (obstacles[..., LENGTH] * s + obstacles[..., WIDTH] * c) / 2
    along, across = dx * cos + dy * sin, np.abs(dy * cos - dx * sin)
    in_path = (along > 0) & (across <= half_width + ego[..., WIDTH] / 2 + margin)
    return np.where(in_path, np.maximum(along - half_length - ego[..., LENGTH] / 2, 0.0), np.inf)


def separating_gaps(
    dx: Any, dy: Any, ca: Any, sa: Any, la: Any, wa: Any, cb: Any, sb: Any, lb: Any, wb: Any
) -> tuple[Any, Any, Any, Any]:
    """Gaps between two boxes a and b along the axes of both, in m; the boxes are disjoint if any is above 0.

    Works on arrays, and on numbers inside a kernel.

    Args:
        dx, dy: centre of b minus centre of a.
        ca, sa, la, wa: of a: cosine and sine of its yaw, half its length and half its width.
        cb, sb, lb, wb: the same of b.

    Source: Gottschalk et al. 1996 (separating axes), in the plane.
    """
    c, s = abs(ca * cb + sa * sb), abs(ca * sb - sa * cb)
    return (
        abs(dx * ca + dy * sa) - (la + lb * c + wb * s),
        abs(dy * ca - dx * sa) - (wa + lb * s + wb * c),
        abs(dx * cb + dy * sb) - (lb + la * c + wa * s),
        abs(dy * cb - dx * sb) - (wb + la * s + wa * c),
    )


def _largest_gap(first: Floats, second: Floats) -> Floats:
    first, second = checked(first, "boxes", 5), checked(second, "boxes", 5)
    dx, dy = second[..., X] - first[..., X], second[..., Y] - first[..., Y]
    a = (np.cos(first[..., YAW]), np.sin(first[..., YAW]), first[..., LENGTH] / 2, first[..., WIDTH] / 2)
    b = (np.cos(second[..., YAW]), np.sin(second[..., YAW]), second[..., LENGTH] / 2, second[..., WIDTH] / 2)
    along_a, across_a, along_b, across_b = separating_gaps(dx, dy, *a, *b)
    largest: Floats = np.maximum(np.maximum(along_a, across_a), np.maximum(along_b, across_b))
    return largest


def _corner_distance(of: Floats, to: Floats) -> Floats:
    """Distance from the nearest corner of boxes `of` to boxes `to`, (...); 0 if a corner lies inside."""
    offset = box_corners(of) - to[..., None, :2]  # (..., 4, 2)
    cos, sin = np.cos(to[..., YAW, None]), np.sin(to[..., YAW, None])
    along = np.abs(offset[..., 0] * cos + offset[..., 1] * sin) - to[..., LENGTH, None] / 2
    across = np.abs(offset[..., 1] * cos - offset[..., 0] * sin) - to[..., WIDTH, None] / 2
    distance: Floats = np.hypot(np.maximum(along, 0), np.maximum(across, 0)).min(axis=-1)
    return distance
