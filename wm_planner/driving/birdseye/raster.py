"""A picture of the traffic from above, the ego in the middle and heading up: what an encoder sees.

The map is drawn once, at half the picture's pixel; a picture is a turned crop of it on which route, lights,
motion and boxes are drawn, averaged over 2 x 2 pixels: edges are smooth, and everything moves by halves of a
pixel.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from wm_planner import config
from wm_planner.driving.geometry.boxes import box_corners
from wm_planner.driving.geometry.checks import checked, finite
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]
Colour: TypeAlias = tuple[int, int, int]
Line: TypeAlias = tuple[ArrayLike, Colour]
"""A polyline (P, 2) in m, and its colour."""

GROUND: Colour = (0, 0, 0)
ROAD: Colour = (70, 70, 70)
CENTRE: Colour = (130, 130, 130)
ROUTE: Colour = (40, 120, 220)
AGENT: Colour = (235, 180, 40)
EGO: Colour = (240, 240, 240)
MOTION: Colour = (90, 220, 90)
LIGHTS: Mapping[str, Colour] = {"red": (230, 30, 30), "yellow": (230, 200, 30), "green": (40, 200, 60)}

_SUPERSAMPLING = 2  # map pixels a pixel of the picture
_MARGIN_M = 5.0
_MAX_PIXELS = 100_000_000  # of the map, 3 bytes each


class BirdsEyeRenderer:
    """Draws pictures of one map.

    Args:
        areas: polygons (P, 2) of the drivable area, in m.
        lines: what else belongs to the map, such as lane centres.

    Raises:
        ShapeError: if there is no polygon, or the map is too large for its pixels.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The picture.

        Attributes:
            size_px: of its sides.
            metres_per_px: of one pixel.
            ahead_m: by which the picture's middle lies ahead of the ego.
            line_m: width of lines.
            motion_s: everybody's speed is shown by a line of the way they make in this time; 0 for no line.
        """

        size_px: config.Positive = 224
        metres_per_px: float = 0.5
        ahead_m: float = 0.0
        line_m: float = 0.75
        motion_s: float = 0.0

    def __init__(self, config: Config, areas: Sequence[ArrayLike], lines: Iterable[Line] = ()) -> None:
        self.config = config
        self._scale = _SUPERSAMPLING / config.metres_per_px  # map pixels a metre
        self._width = max(round(config.line_m * self._scale), 1)
        outlines = [finite(area, "an area", None, 2) for area in areas]
        if not outlines:
            raise ShapeError("a map of no areas, wanted one or more")
        points = np.concatenate(outlines)
        self._low = points.min(axis=0) - _MARGIN_M
        columns, rows = np.ceil((np.ptp(points, axis=0) + 2 * _MARGIN_M) * self._scale).astype(int)
        if columns * rows > _MAX_PIXELS:
            raise ShapeError(
                f"a map of {columns} x {rows} pixels, wanted {_MAX_PIXELS} at most: give the areas near the "
                f"ego, or larger pixels than {config.metres_per_px} m"
            )
        self._map = Image.new("RGB", (columns, rows), GROUND)
        pen = ImageDraw.Draw(self._map)
        for outline in outlines:
            pen.polygon(self._map_pixels(outline), fill=ROAD)
        for line, colour in lines:
            pen.line(self._map_pixels(finite(line, "a line", None, 2)), fill=colour, width=self._width)

    def draw(
        self,
        ego: ArrayLike,
        agents: ArrayLike,
        route: ArrayLike | None = None,
        lines: Iterable[Line] = (),
        colours: Sequence[Colour] | None = None,
    ) -> NDArray[np.uint8]:
        """The picture (size, size, 3), RGB; its rows run from ahead of the ego to behind.

        Args:
            ego: its box x, y [m], yaw [rad], length, width [m], (5,).
            agents: their boxes (A, 5); NaN where one is absent.
            route: (P, 2), in m.
            lines: over the map and under the boxes, with their colours: stop lines (see LIGHTS), motion.
            colours: of the agents, one each.
        """
        box, others = finite(ego, "the ego's box", 5), checked(agents, "agents", None, 5)
        picture = self._crop(box[:3])
        pen = ImageDraw.Draw(picture)
        drawn = [] if route is None else [(route, ROUTE)]
        for line, colour in (*drawn, *lines):
            pen.line(self._image_pixels(finite(line, "a line", None, 2), box), fill=colour, width=self._width)
        shown = np.flatnonzero(np.isfinite(others).all(axis=1)).tolist()
        shapes = np.concatenate([others[shown], box[None]])
        shapes[:, 3:] -= 1 / self._scale  # Pillow draws the pixels of the outline as well
        outlines = self._image_pixels(box_corners(shapes).reshape(-1, 2), box)
        shades = [AGENT if colours is None else colours[index] for index in shown]
        for index, shade in enumerate([*shades, EGO]):
            pen.polygon(outlines[4 * index : 4 * index + 4], fill=shade)
        return np.asarray(picture.reduce(_SUPERSAMPLING))

    def _crop(self, pose: Floats) -> Image.Image:
        """The map around the ego, _FINE pixels a pixel."""
        size = self.config.size_px * _SUPERSAMPLING
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        # A pixel's column counts to the right of the ego, its row to the rear.
        middle = (pose[:2] + self.config.ahead_m * np.array([cos, sin]) - self._low) * self._scale
        to_right, to_rear = np.array([sin, -cos]), np.array([-cos, -sin])
        corner = middle - size / 2 * (to_right + to_rear)
        turned = (to_right[0], to_rear[0], corner[0], to_right[1], to_rear[1], corner[1])
        return self._map.transform(
            (size, size), Image.Transform.AFFINE, turned, Image.Resampling.NEAREST, fillcolor=GROUND
        )

    def _map_pixels(self, points: Floats) -> list[tuple[int, int]]:
        return _pixels((points - self._low) * self._scale)

    def _image_pixels(self, points: Floats, ego: Floats) -> list[tuple[int, int]]:
        """Points (P, 2) as columns and rows of the crop."""
        cos, sin = np.cos(ego[2]), np.sin(ego[2])
        way = points - ego[:2]
        column = way[:, 0] * sin - way[:, 1] * cos
        row = self.config.ahead_m - way[:, 0] * cos - way[:, 1] * sin
        half = self.config.size_px * _SUPERSAMPLING / 2
        return _pixels(np.stack([column, row], axis=1) * self._scale + half)


def _pixels(places: Floats) -> list[tuple[int, int]]:
    """The pixels (P, 2) whose centres are nearest to places, columns and rows; pixel 0 is from 0 to 1."""
    return [(x, y) for x, y in np.rint(places - 0.5).astype(np.int64).tolist()]
