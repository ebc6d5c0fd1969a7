"""Oriented boxes: corners, overlap, distance. A box is x, y of its centre [m], yaw [rad], length, width [m].

Everything is in float64: the rounding of float32, on a map of some hundred metres, is hundredths of
millimetres.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.checks import checked
from wm_planner.driving.geometry.state_columns import YAW, X, Y

Floats = NDArray[np.float64]

LENGTH, WIDTH = 3, 4  # columns of a box, behind those of a pose


def oriented_boxes(poses: Floats, sizes: ArrayLike) -> Floats:
    """Boxes (..., 5) of poses (..., 3 or more) of their centres, and of length and width (..., 2)."""
    sized = np.broadcast_to(np.asarray(sizes, np.float64), (*poses.shape[:-1], 2))
    return np.concatenate([poses[..., :3], sized], axis=-1)


def box_corners(boxes: Floats) -> Floats:
    """Corners (..., 4, 2): front left, rear left, rear right, front right."""
    cos, sin = np.cos(boxes[..., YAW]), np.sin(boxes[..., YAW])
    along, across = boxes[..., LENGTH] / 2, boxes[..., WIDTH] / 2
    found = np.empty((*boxes.shape[:-1], 4, 2))
    for corner, (front, left) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        found[..., corner, 0] = boxes[..., X] + front * along * cos - left * across * sin
        found[..., corner, 1] = boxes[..., Y] + front * along * sin + left * across * cos
    return found


def overlap(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Which boxes (..., 5) touch or overlap their partners (..., 5); a box with NaN touches nothing."""
    touching: NDArray[np.bool_] = _largest_gap(first, second) <= 0
    return touching


def clearance(first: Floats, second: Floats) -> Floats:
    """The distance between boxes (..., 5) and their partners in m; below 0 the depth of their overlap.

    The depth is the shortest way that parts them.
    """
    apart = np.minimum(_corner_distance(first, second), _corner_distance(second, first))
    gap = _largest_gap(first, second)
    return np.where(gap <= 0, gap, apart)


def gap_ahead(ego: Floats, others: Floats, margin: float = 0.0) -> Floats:
    """The free way in m along the ego's heading to the rear of each box that is in the way.

    Args:
        ego: boxes (..., 5).
        others: boxes (..., 5) that broadcast against them.
        margin: m that is added to the ego's width on both sides.

    Returns:
        (...), infinite for boxes beside or behind the ego's centre, 0 where they overlap along the way.
    """
    cos, sin = np.cos(ego[..., YAW]), np.sin(ego[..., YAW])
    dx, dy = others[..., X] - ego[..., X], others[..., Y] - ego[..., Y]
    turn = others[..., YAW] - ego[..., YAW]
    c, s = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    half_length = (others[..., LENGTH] * c + others[..., WIDTH] * s) / 2
    half_width = (others[..., LENGTH] * s + others[..., WIDTH] * c) / 2
    along, across = dx * cos + dy * sin, np.abs(dy * cos - dx * sin)
    in_the_way = (along > 0) & (across <= half_width + ego[..., WIDTH] / 2 + margin)
    return np.where(in_the_way, np.maximum(along - half_length - ego[..., LENGTH] / 2, 0.0), np.inf)


def separating_gaps(
    dx: Any, dy: Any, ca: Any, sa: Any, la: Any, wa: Any, cb: Any, sb: Any, lb: Any, wb: Any
) -> tuple[Any, Any, Any, Any]:
    """How far two boxes are apart along the axes of both, in m; they are apart where any is above 0.

    Takes arrays, or numbers inside a kernel: centre of b less centre of a, and of each box the cosine and
    sine of its yaw, half its length and half its width.

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
    """From the nearest corner of boxes `of` to boxes `to`, (...); 0 where one lies inside."""
    way = box_corners(of) - to[..., None, :2]  # (..., 4, 2)
    cos, sin = np.cos(to[..., YAW, None]), np.sin(to[..., YAW, None])
    along = np.abs(way[..., 0] * cos + way[..., 1] * sin) - to[..., LENGTH, None] / 2
    across = np.abs(way[..., 1] * cos - way[..., 0] * sin) - to[..., WIDTH, None] / 2
    distance: Floats = np.hypot(np.maximum(along, 0), np.maximum(across, 0)).min(axis=-1)
    return distance
