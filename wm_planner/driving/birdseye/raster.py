"""Bird's-eye-view images of the traffic, centred on the ego with its heading up: the input of encoders.

The map is rasterized once at twice the image resolution. An image is a rotated crop of it with route, lights,
motion and boxes drawn on top, averaged over 2 x 2 pixels, so that edges are smooth and motion is resolved to
half a pixel.
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
"""A polyline (P, 2) in m and its colour."""

GROUND: Colour = (0, 0, 0)
ROAD: Colour = (70, 70, 70)
CENTRE: Colour = (130, 130, 130)
ROUTE: Colour = (40, 120, 220)
AGENT: Colour = (235, 180, 40)
EGO: Colour = (240, 240, 240)
MOTION: Colour = (90, 220, 90)
LIGHTS: Mapping[str, Colour] = {"red": (230, 30, 30), "yellow": (230, 200, 30), "green": (40, 200, 60)}

_SUPERSAMPLING = 2  # map pixels per image pixel, along each axis
_MARGIN_M = 5.0
_MAX_PIXELS = 100_000_000  # of the map, 3 bytes each


class BirdsEyeRenderer:
    """Renders images of one map.

    Args:
        areas: polygons (P, 2) of the drivable area, in m.
        lines: further content of the map, such as lane centres.

    Raises:
        ShapeError: if there is no polygon, or the map would have too many pixels.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Format of the images.

        Attributes:
            size_px: width and height.
            metres_per_px: size of a pixel.
            ahead_m: distance from the ego to the image centre ahead of it.
            line_m: line width.
            motion_s: every speed is drawn as the line travelled in this time; 0 for no lines.
        """

        size_px: config.Positive = 224
        metres_per_px: float = 0.5
        ahead_m: float = 0.0
        line_m: float = 0.75
        motion_s: float = 0.0

    def __init__(self, config: Config, areas: Sequence[ArrayLike], lines: Iterable[Line] = ()) -> None:
        self.config = config
        self._scale = _SUPERSAMPLING / config.metres_per_px  # map pixels per metre
        self._width = max(round(config.line_m * self._scale), 1)
        outlines = [finite(area, "an area", None, 2) for area in areas]
        if not outlines:
            raise ShapeError("a map without areas, wanted one or more")
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
        """An RGB image (size, size, 3), whose first row is the farthest ahead of the ego.

        Args:
            ego: box x, y [m], yaw [rad], length, width [m] of the ego, (5,).
            agents: boxes (A, 5) of the agents; NaN where absent.
            route: (P, 2), in m.
            lines: drawn above the map and below the boxes, such as stop lines (see LIGHTS) and motion.
            colours: of the agents, (A,); None for AGENT.
        """
        ego_box, agent_boxes = finite(ego, "the ego's box", 5), checked(agents, "agents", None, 5)
        image = self._crop(ego_box[:3])
        pen = ImageDraw.Draw(image)
        route_line = [] if route is None else [(route, ROUTE)]
        for line, colour in (*route_line, *lines):
            pixels = self._image_pixels(finite(line, "a line", None, 2), ego_box)
            pen.line(pixels, fill=colour, width=self._width)
        present = np.flatnonzero(np.isfinite(agent_boxes).all(axis=1)).tolist()
        boxes = np.concatenate([agent_boxes[present], ego_box[None]])
        boxes[:, 3:] -= 1 / self._scale  # because Pillow includes the pixels of the outline
        outlines = self._image_pixels(box_corners(boxes).reshape(-1, 2), ego_box)
        fills = [AGENT if colours is None else colours[index] for index in present]
        for index, fill in enumerate([*fills, EGO]):
            pen.polygon(outlines[4 * index : 4 * index + 4], fill=fill)
        return np.asarray(image.reduce(_SUPERSAMPLING))

    def _crop(self, pose: Floats) -> Image.Image:
        """The rotated map around the ego, at map resolution."""
        size = self.config.size_px * _SUPERSAMPLING
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        # Columns run to the ego's right, rows to its rear.
        centre = (pose[:2] + self.config.ahead_m * np.array([cos, sin]) - self._low) * self._scale
        right, rear = np.array([sin, -cos]), np.array([-cos, -sin])
        corner = centre - size / 2 * (right + rear)
        affine = (right[0], rear[0], corner[0], right[1], rear[1], corner[1])
        return self._map.transform(
            (size, size), Image.Transform.AFFINE, affine, Image.Resampling.NEAREST, fillcolor=GROUND
        )

    def _map_pixels(self, points: Floats) -> list[tuple[int, int]]:
        return _pixels((points - self._low) * self._scale)

    def _image_pixels(self, points: Floats, ego: Floats) -> list[tuple[int, int]]:
        """Columns and rows of the crop at points (P, 2)."""
        cos, sin = np.cos(ego[2]), np.sin(ego[2])
        offset = points - ego[:2]
        column = offset[:, 0] * sin - offset[:, 1] * cos
        row = self.config.ahead_m - offset[:, 0] * cos - offset[:, 1] * sin
        half = self.config.size_px * _SUPERSAMPLING / 2
        return _pixels(np.stack([column, row], axis=1) * self._scale + half)


def _pixels(positions: Floats) -> list[tuple[int, int]]:
    """The pixels with the nearest centres to positions (P, 2) in columns and rows; pixel 0 spans 0 to 1."""
    return [(x, y) for x, y in np.rint(positions - 0.5).astype(np.int64).tolist()]
