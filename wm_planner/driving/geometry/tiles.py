"""A spatial index of polygons: square tiles that list the polygons which extend into them.

For each polygon, a tile stores only the edges that affect queries inside of the tile, and whether the
remaining edges invert inside and outside: a ray that starts anywhere in the tile crosses all of those.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

REACH_M = 1.0
"""Edges farther from a point than this may count as infinitely far."""

TILE_M = 4.0
"""Side of a tile, doubled until at most MAX_TILES are needed."""

MAX_TILES = 4_000_000
"""Corresponds to 64 square kilometres of the smallest tiles."""


class Tiles(NamedTuple):
    """The index, in compressed rows. A part is one polygon in one tile.

    Attributes:
        side: of a tile, in m.
        origin: lower corner of the first tile, (2,), in m.
        counts: number of tiles along x and y, (2,).
        parts: index of each tile's first part, x-major, and the number of parts, (tiles + 1,).
        polygons: polygon of each part, increasing within a tile, (Q,).
        inverted: whether the edges omitted from a part invert inside and outside, (Q,).
        edges: index of each part's first edge, and the number of edges, (Q + 1,).
        ends: end points x, y, x, y of the edges, (E, 4), in m.
    """

    side: float
    origin: Floats
    counts: Indices
    parts: Indices
    polygons: Indices
    inverted: NDArray[np.bool_]
    edges: Indices
    ends: Floats


def build_tiles(outlines: Sequence[Floats]) -> Tiles:
    """Index polygons by their outlines (P, 2), in m."""
    if not outlines:
        empty, zero = np.zeros(0, np.int64), np.zeros(1, np.int64)
        counts = np.zeros(2, np.int64)
        return Tiles(TILE_M, np.zeros(2), counts, zero, empty, empty > 0, zero, np.zeros((0, 4)))
    low = np.min([outline.min(axis=0) for outline in outlines], axis=0) - REACH_M
    high = np.max([outline.max(axis=0) for outline in outlines], axis=0) + REACH_M
    side, counts = _tile_grid(high - low)
    parts = [_polygon_parts(outline, low, side, counts) for outline in outlines]
    tile, inverted, edges = (np.concatenate(part) for part in list(zip(*parts, strict=True))[:3])
    ends = np.concatenate([part[3] for part in parts])
    polygon = np.repeat(np.arange(len(outlines)), [len(part[0]) for part in parts])
    order = np.argsort(tile, kind="stable")  # stable, to keep polygons in increasing order
    starts = np.concatenate([[0], np.cumsum(edges)])
    gathered = expand_ranges(starts[order], starts[order + 1])[1]
    return Tiles(
        side=side,
        origin=low,
        counts=counts,
        parts=np.searchsorted(tile[order], np.arange(counts.prod() + 1)),
        polygons=polygon[order],
        inverted=inverted[order],
        edges=np.concatenate([[0], np.cumsum(edges[order])]),
        ends=ends[gathered],
    )


def _tile_grid(span: Floats) -> tuple[float, Indices]:
    """The side of a tile, and the number of tiles along x and y."""
    side = TILE_M
    while np.prod(np.ceil(span / side) + 1) > MAX_TILES:
        side *= 2
    return side, np.ceil(span / side).astype(np.int64) + 1


def _polygon_parts(
    outline: Floats, origin: Floats, side: float, counts: Indices
) -> tuple[Indices, NDArray[np.bool_], Indices, Floats]:
    """The parts of one polygon: their tiles, whether they are inverted, their edge counts and their edges."""
    ends = np.concatenate([outline, np.roll(outline, -1, axis=0)], axis=1)  # (P, 4)
    first, last = ((edge(outline, axis=0) - origin) / side for edge in (np.min, np.max))
    reach = REACH_M / side
    x = np.arange(max(int(first[0] - reach), 0), min(int(last[0] + reach) + 1, counts[0]))
    y = np.arange(max(int(first[1] - reach), 0), min(int(last[1] + reach) + 1, counts[1]))
    column, row = (axis.ravel() for axis in np.meshgrid(x, y, indexing="ij"))
    low = origin + side * np.stack([column, row], axis=1)[:, None]  # (tiles, 1, 2)
    high = low + side
    lowest, highest = np.minimum(ends[:, :2], ends[:, 2:]), np.maximum(ends[:, :2], ends[:, 2:])  # (P, 2)
    near = (lowest[:, 0] <= high[..., 0] + REACH_M) & (highest[:, 0] >= low[..., 0] - REACH_M)  # (tiles, P)
    near &= (lowest[:, 1] <= high[..., 1] + REACH_M) & (highest[:, 1] >= low[..., 1] - REACH_M)
    # A ray along +x may cross any edge right of the tile, and always those that span its height.
    right = (highest[:, 0] >= low[..., 0]) & (lowest[:, 1] <= high[..., 1]) & (highest[:, 1] >= low[..., 1])
    always = (
        (lowest[:, 0] > high[..., 0]) & (lowest[:, 1] < low[..., 1]) & (highest[:, 1] > high[..., 1]) & ~near
    )
    kept = near | (right & ~always)
    inverted = always.sum(axis=1) % 2 == 1
    used = kept.any(axis=1) | inverted
    part, edge = np.nonzero(kept[used])
    tiles = column * counts[1] + row
    return tiles[used], inverted[used], np.bincount(part, minlength=used.sum()), ends[edge]


def expand_ranges(first: Indices, last: Indices) -> tuple[Indices, Indices]:
    """Concatenate the ranges [first, last): the index of the range, and the value, of every element."""
    counts = last - first
    which = np.repeat(np.arange(len(first)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts - first, counts)
