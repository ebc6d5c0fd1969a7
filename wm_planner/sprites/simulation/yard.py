"""SpriteYard: a disc in a square yard, many yards at once, drawn without a graphics library.

Two levels have the same picture and the same task. In `point` an action moves the disc. In `glide` it
accelerates the disc, which slides: its velocity is not visible in one picture, so that a model needs memory.

Axes: N yards, S pixels per side.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Level = Literal["point", "glide"]

SIDE_M = 1.0  # of the yard
DISC_M = 0.07  # radius of the disc
RING_M = (0.07, 0.1)  # radii of the ring around the goal
REACHED_M = 0.08  # distance from the goal that counts as reached
START_M = 0.3  # least distance between start and goal
CONTROL_DT_S = 0.1
STEPS = 25  # of an episode

STEP_M = 0.08  # largest displacement of an action in `point`, per component
ACCELERATION = 2.0  # largest acceleration of an action in `glide`, per component, m/s^2
GLIDE = 0.9  # share of the velocity that is left after a step in `glide`

_GROUND, _DISC, _RING = (30.0, 30.0, 40.0), (240.0, 120.0, 40.0), (60.0, 200.0, 90.0)
_EDGE_PX = 1.5  # width of a soft edge


@dataclass
class Yards:
    """N yards, each with a disc and a goal.

    Attributes:
        level: what an action does.
        position, velocity, goal: (N, 2) in m and m/s.
    """

    level: Level
    position: Floats
    velocity: Floats
    goal: Floats

    @classmethod
    def sample(cls, level: Level, rng: np.random.Generator, count: int = 1) -> "Yards":
        """Random yards with the disc at rest, at least START_M from its goal."""
        inside = DISC_M, SIDE_M - DISC_M
        position, goal = rng.uniform(*inside, (count, 2)), rng.uniform(*inside, (count, 2))
        while (near := np.linalg.norm(position - goal, axis=1) < START_M).any():
            goal[near] = rng.uniform(*inside, (int(near.sum()), 2))
        return cls(level, position, np.zeros((count, 2)), goal)

    def step(self, action: Floats) -> Floats:
        """Move all discs by one control period; walls stop them.

        Args:
            action: (N, 2), displacements in m, or accelerations in m/s^2 in `glide`; kept within its bounds.

        Returns:
            The rewards (N,), the negated distance to the goal in m.
        """
        limit = largest_action(self.level)
        action = np.clip(action, -limit, limit)
        if self.level == "point":
            self.velocity = action / CONTROL_DT_S
        else:
            self.velocity = GLIDE * self.velocity + action * CONTROL_DT_S
        moved = self.position + self.velocity * CONTROL_DT_S
        self.position = np.clip(moved, DISC_M, SIDE_M - DISC_M)
        self.velocity = np.where((moved == self.position) & (self.level == "glide"), self.velocity, 0.0)
        return -self.distances

    @property
    def distances(self) -> Floats:
        """Distances from the goals, (N,) in m."""
        distances: Floats = np.linalg.norm(self.position - self.goal, axis=1)
        return distances

    def pictures(self, size_px: int) -> NDArray[np.uint8]:
        """The yards seen from above, (N, S, S, 3) RGB; x to the right, y down."""
        return drawn(self.position, self.goal, size_px)


def largest_action(level: Level) -> float:
    """The bound of both components of an action."""
    return STEP_M if level == "point" else ACCELERATION


def drawn(position: Floats, goal: Floats, size_px: int) -> NDArray[np.uint8]:
    """Pictures (N, S, S, 3) of discs and goals at (N, 2) in m."""
    pixels = np.empty((len(position), size_px, size_px, 3), np.uint8)
    pixels[:] = np.array(_GROUND, np.uint8)
    _paint(pixels, goal, *RING_M, _RING)
    _paint(pixels, position, 0.0, DISC_M, _DISC)
    return pixels


def _paint(
    pixels: NDArray[np.uint8], centres: Floats, inner_m: float, outer_m: float, colour: tuple[float, ...]
) -> None:
    """Paint rings with soft edges into pictures (N, S, S, 3), each within the patch around its centre."""
    size = pixels.shape[1]
    scale = np.float32(size / SIDE_M)
    width = min(int(2 * np.ceil(outer_m * scale + _EDGE_PX)) + 1, size)
    centre = (centres * scale).astype(np.float32)  # in pixels
    first = np.clip(np.floor(centre).astype(np.int64) - width // 2, 0, size - width)  # (N, 2)
    span = np.arange(width)
    columns, rows = first[:, :1] + span, first[:, 1:] + span  # (N, P)
    dx = columns + np.float32(0.5) - centre[:, :1]
    dy = rows + np.float32(0.5) - centre[:, 1:]
    off = np.sqrt(dx[:, None, :] ** 2 + dy[:, :, None] ** 2)  # (N, P, P)
    alpha = np.clip((outer_m * scale - off) / _EDGE_PX + 0.5, 0, 1)
    if inner_m:
        alpha *= np.clip((off - inner_m * scale) / _EDGE_PX + 0.5, 0, 1)
    at = np.arange(len(pixels))[:, None, None], rows[:, :, None], columns[:, None, :]
    under = pixels[at].astype(np.float32)  # (N, P, P, 3)
    paint = np.array(colour, np.float32)
    pixels[at] = np.rint(under + alpha[..., None] * (paint - under)).astype(np.uint8)
