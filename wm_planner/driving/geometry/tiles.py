"""Space cut into tiles, each of which knows the polygons that reach into it.

Of each polygon a tile keeps only the edges that matter there, and whether the rest of them turn inside and
outside round: a ray from within the tile crosses those always.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

REACH_M = 1.0
"""Edges farther from a point than this may be taken for infinitely far."""

TILE_M = 4.0
"""Side of a tile, doubled until no more than MOST tiles are needed."""

MAX_TILES = 4_000_000
"""Tiles: 64 square kilometres of the smallest."""


class Tiles(NamedTuple):
    """What the tiles know. A part is one polygon in one tile.

    Attributes:
        side: of a tile, in m.
        origin: x and y of the first tile's corner, (2,), in m.
        counts: tiles along x and y, (2,).
        parts: index of each tile's first part, row by row of x, and one more, (tiles + 1,).
        polygons: of each part, in rising order within a tile, (Q,).
        inverted: whether the edges left out of a part turn inside and outside round, (Q,).
        edges: index of each part's first edge, and one more, (Q + 1,).
        ends: of the edges, x, y, x, y, (E, 4), in m.
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
    """The tiles over all polygons."""
    if not outlines:
        nothing = np.zeros(0, np.int64)
        one = np.zeros(1, np.int64)
        counts = np.zeros(2, np.int64)
        return Tiles(TILE_M, np.zeros(2), counts, one, nothing, nothing > 0, one, np.zeros((0, 4)))
    low = np.min([outline.min(axis=0) for outline in outlines], axis=0) - REACH_M
    high = np.max([outline.max(axis=0) for outline in outlines], axis=0) + REACH_M
    side, counts = _tile_grid(high - low)
    parts = [_polygon_parts(outline, low, side, counts) for outline in outlines]
    tile, inverted, edges = (np.concatenate(part) for part in list(zip(*parts, strict=True))[:3])
    ends = np.concatenate([part[3] for part in parts])
    polygon = np.repeat(np.arange(len(outlines)), [len(part[0]) for part in parts])
    order = np.argsort(tile, kind="stable")  # keeps polygons in rising order
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
    """The side of tiles, and how many there are along x and y."""
    side = TILE_M
    while np.prod(np.ceil(span / side) + 1) > MAX_TILES:
        side *= 2
    return side, np.ceil(span / side).astype(np.int64) + 1


def _polygon_parts(
    outline: Floats, origin: Floats, side: float, counts: Indices
) -> tuple[Indices, NDArray[np.bool_], Indices, Floats]:
    """One polygon's parts: their tiles, which are inverted, how many edges each has, and these edges."""
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
    # A ray along +x from within the tile crosses each edge to the right; those as high as the tile, always.
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
    """All of several ranges: which one, and the number in it."""
    counts = last - first
    which = np.repeat(np.arange(len(first)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts - first, counts)
