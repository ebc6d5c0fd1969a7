"""What is in the way: agents that move as recorded, things that stand, and regions that may be taken."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.shapes import Points, Shape, frozen_array
from wm_planner.errors import ShapeError, did_you_mean

AGENT_KINDS = frozenset(
    (
        *("unknown", "car", "truck", "bus", "taxi", "priorityVehicle", "train"),
        *("motorcycle", "bicycle", "pedestrian"),
    )
)
"""What moves, in CommonRoad's words."""

OBSTACLE_KINDS = frozenset(
    ("unknown", "parkedVehicle", "constructionZone", "roadBoundary", "building", "pillar", "median_strip")
)
"""What stands, in CommonRoad's words."""


def check_kind(kind: str, known: frozenset[str], what: str) -> None:
    """Raise a ShapeError where `kind` is none of those known."""
    if kind not in known:
        raise ShapeError(f"{what} is a '{kind}', {did_you_mean(kind, known)}")


@dataclass(frozen=True, eq=False)
class Tracks:
    """A agents over T steps; step t is t dt after the scenario's beginning.

    An agent is a box. Its state is x, y [m] of the box's centre in the map's frame, yaw [rad] of its length,
    counter-clockwise from x, and v [m/s] along yaw, below 0 when it reverses. Motion across yaw is not kept.

    Attributes:
        ids: (A,), each once.
        kinds: (A,), of AGENT_KINDS.
        sizes: (A, 2), length and width of the boxes, in m.
        states: (A, T, 4), finite where valid, NaN elsewhere.
        valid: (A, T), where the agent was seen: at one step or more.
    """

    ids: tuple[int, ...]
    kinds: tuple[str, ...]
    sizes: NDArray[np.float64]
    states: NDArray[np.float64]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.ids)
        if len(set(self.ids)) != count or len(self.kinds) != count:
            raise ShapeError(f"tracks have the ids {self.ids} and {len(self.kinds)} kinds, wanted one each")
        for kind in self.kinds:
            check_kind(kind, AGENT_KINDS, "a track")
        object.__setattr__(self, "sizes", frozen_array(self.sizes, "sizes of tracks", (count, 2)))
        object.__setattr__(
            self, "valid", frozen_array(self.valid, "valid of tracks", (count, None), np.bool_)
        )
        if not self.valid.any(axis=1).all():
            raise ShapeError("tracks hold an agent that was never seen; leave it out")
        states = frozen_array(self.states, "states of tracks", (*self.valid.shape, 4))
        states = np.where(self.valid[..., None], states, np.nan)
        if (
            not np.isfinite(states[self.valid]).all()
            or not (np.isfinite(self.sizes) & (self.sizes > 0)).all()
        ):
            raise ShapeError("tracks hold valid states or sizes that are not finite, or sizes not above 0")
        object.__setattr__(self, "states", frozen_array(states, "states of tracks", states.shape))

    @property
    def steps(self) -> int:
        """T."""
        return int(self.states.shape[1])

    def at(self, step: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """States (A, 4) and validity (A,) at a step; nobody is valid outside of the recording."""
        if 0 <= step < self.steps:
            return self.states[:, step], self.valid[:, step]
        return np.full((len(self.ids), 4), np.nan), np.zeros(len(self.ids), np.bool_)


def empty_tracks(steps: int = 0) -> Tracks:
    """Nobody, for T steps."""
    return Tracks((), (), np.empty((0, 2)), np.empty((0, steps, 4)), np.empty((0, steps), np.bool_))


@dataclass(frozen=True, eq=False)
class Obstacle:
    """A thing that stands.

    Attributes:
        kind: of OBSTACLE_KINDS.
        shapes: what it covers, in the map's frame.
    """

    id: int
    kind: str
    shapes: tuple[Shape, ...]

    def __post_init__(self) -> None:
        check_kind(self.kind, OBSTACLE_KINDS, f"obstacle {self.id}")


@dataclass(frozen=True, eq=False)
class Region:
    """Places that may be taken.

    Attributes:
        first: step from which they may be.
        last: step until which they may be, itself included.
        shapes: in the map's frame.
    """

    first_step: int
    last_step: int
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, eq=False)
class Occupancy:
    """A set-based forecast: wherever the agent may be.

    A planner must keep out of its regions as out of boxes. Where `id` is that of a track, the track holds the
    agent's first state and the regions what comes after; other ids are phantoms, which nobody saw, or the
    spread of a track whose states were given as sets (the track is then their middle).
    """

    id: int
    regions: tuple[Region, ...]

    def at(self, step: int) -> tuple[Points, ...]:
        """Outlines (P, 2) of what may be taken at a step."""
        shapes = (
            s
            for region in self.regions
            if region.first_step <= step <= region.last_step
            for s in region.shapes
        )
        return tuple(shape.outline for shape in shapes)
