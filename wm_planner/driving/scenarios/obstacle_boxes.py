"""Obstacle boxes over time: agent tracks, static obstacles and occupied regions.

Circles and polygons are represented by the edges of their outlines, as boxes of zero width: a vehicle cannot
enter them without touching an edge.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.shapes import Points, Rectangle, Shape
from wm_planner.driving.scenarios.forecasts import constant_velocity
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.scenarios.tracks import OBSTACLE_KINDS, empty_tracks
from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]

VULNERABLE = frozenset({"pedestrian", "bicycle"})
OBJECTS = OBSTACLE_KINDS - {"parkedVehicle"}
"""Kinds of static objects that are not road users, as in nuPlan; kinds in neither set are vehicles."""


@dataclass(frozen=True, eq=False)
class ObstacleBoxes:
    """The states of A boxes over T steps.

    Attributes:
        states: x, y, yaw, v as in Tracks, (T, A, 4), NaN where absent.
        sizes: length and width, (A, 2), in m.
        kinds: from AGENT_KINDS or OBSTACLE_KINDS, (A,).
        object_ids: (A,); all boxes of one object share its id.

    Raises:
        ShapeError: if the arrays do not match each other.
    """

    states: Floats
    sizes: Floats
    kinds: tuple[str, ...]
    object_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.kinds)
        shapes = self.states.shape, self.sizes.shape, self.object_ids.shape
        if shapes != ((len(self.states), count, 4), (count, 2), (count,)):
            raise ShapeError(
                f"obstacle boxes have states {shapes[0]}, sizes {shapes[1]}, object_ids {shapes[2]} and "
                f"{count} kinds, wanted (T, A, 4), (A, 2), (A,) and A"
            )

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return len(self.states)

    @classmethod
    def from_scenario(cls, scenario: Scenario, first_step: int, steps: int) -> Self:
        """All tracks, obstacles and occupancies from `first_step` on; tracks end with their recording."""
        tracks, boxes = scenario.tracks, list(_static_boxes(scenario, first_step, steps))
        rows = [tracks.at(first_step + step)[0] for step in range(steps)]
        states = np.concatenate([np.array(rows), *(box.states[:, None] for box in boxes)], axis=1)
        sizes = np.concatenate([tracks.sizes, *(box.size[None] for box in boxes)])
        kinds = (*tracks.kinds, *(box.kind for box in boxes))
        return cls(states, sizes, kinds, np.array([*tracks.ids, *(box.object_id for box in boxes)], np.int64))

    @classmethod
    def static(cls, scenario: Scenario) -> Self:
        """Obstacles and occupancies from step 0 to the last change; see `window` for later steps."""
        regions = (region for each in scenario.occupancies for region in each.regions)
        steps = max((region.last_step for region in regions), default=-1) + 2
        return cls.from_scenario(replace(scenario, tracks=empty_tracks()), 0, steps)

    def window(self, first_step: int, steps: int) -> Self:
        """The boxes for `steps` steps from `first_step` on; the last step is repeated beyond the end."""
        rows = np.minimum(first_step + np.arange(steps), self.steps - 1)
        return replace(self, states=self.states[rows])

    def present(self) -> Self:
        """The boxes that are present at any step."""
        return self._select(np.asarray(np.isfinite(self.states[..., 0]).any(axis=0)))

    def agents(self) -> Self:
        """The boxes of agents, by their kind."""
        return self._select(np.array([kind not in OBSTACLE_KINDS for kind in self.kinds], np.bool_))

    def within(self, position: Floats, reach_m: Floats) -> Self:
        """The boxes within `reach_m` (T,) of a position (2,) at any step; agents out of reach are dropped."""
        distance = np.hypot(*np.moveaxis(self.states[..., :2] - position, -1, 0))
        gap = distance - np.hypot(*self.sizes.T) / 2
        return self._select((gap <= reach_m[:, None]).any(axis=0))

    def _select(self, mask: NDArray[np.bool_]) -> Self:
        rows = np.flatnonzero(mask)
        kinds = tuple(self.kinds[row] for row in rows)
        return type(self)(self.states[:, rows], self.sizes[rows], kinds, self.object_ids[rows])

    def concat(self, other: Self) -> Self:
        """These boxes and those of `other`, over the same steps."""
        return type(self)(
            np.concatenate([self.states, other.states], axis=1),
            np.concatenate([self.sizes, other.sizes]),
            (*self.kinds, *other.kinds),
            np.concatenate([self.object_ids, other.object_ids]),
        )

    def at_constant_velocity(self, step: int, dt: float, steps: int) -> Self:
        """The boxes from `step` on, predicted for `steps` more at constant velocity, as in PDM.

        The states have shape (steps + 1, A, 4).
        """
        current = self.states[step]
        states = np.concatenate([current[None], constant_velocity(current, dt, steps)])
        return type(self)(states, self.sizes, self.kinds, self.object_ids)


class _Box(NamedTuple):
    object_id: int
    kind: str
    size: Floats
    states: Floats  # (T, 4)


def _static_boxes(scenario: Scenario, first_step: int, steps: int) -> Iterator[_Box]:
    """Boxes of obstacles and occupancies."""
    kinds = dict(zip(scenario.tracks.ids, scenario.tracks.kinds, strict=True))
    for obstacle in scenario.obstacles:
        yield from _shape_boxes(obstacle.id, obstacle.kind, obstacle.shapes, slice(None), steps)
    for occupancy in scenario.occupancies:
        for region in occupancy.regions:
            span = slice(max(region.first_step - first_step, 0), max(region.last_step + 1 - first_step, 0))
            kind = kinds.get(occupancy.id, "car")
            yield from _shape_boxes(occupancy.id, kind, region.shapes, span, steps)


def _shape_boxes(
    object_id: int, kind: str, shapes: Iterable[Shape], span: slice, steps: int
) -> Iterator[_Box]:
    for shape in shapes:
        for x, y, yaw, length, width in _covering_boxes(shape):
            states = np.full((steps, 4), np.nan)
            states[span] = x, y, yaw, 0.0
            yield _Box(object_id, kind, np.array([length, width]), states)


def _covering_boxes(shape: Shape) -> Iterator[tuple[float, float, float, float, float]]:
    if isinstance(shape, Rectangle):
        yield float(shape.centre[0]), float(shape.centre[1]), shape.yaw, shape.length, shape.width
        return
    outline: Points = shape.outline
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        (x, y), (dx, dy) = 0.5 * (start + end), end - start
        yield float(x), float(y), float(np.arctan2(dy, dx)), float(np.hypot(dx, dy)), 0.0
