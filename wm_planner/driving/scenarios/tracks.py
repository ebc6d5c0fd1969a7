"""Agent tracks, static obstacles and occupied regions."""

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
"""Kinds of agents, with CommonRoad's names."""

OBSTACLE_KINDS = frozenset(
    ("unknown", "parkedVehicle", "constructionZone", "roadBoundary", "building", "pillar", "median_strip")
)
"""Kinds of static obstacles, with CommonRoad's names."""


def check_kind(kind: str, known: frozenset[str], what: str) -> None:
    """Raise a ShapeError if `kind` is unknown; `what` names its owner in the error."""
    if kind not in known:
        raise ShapeError(f"{what} is a '{kind}', {did_you_mean(kind, known)}")


@dataclass(frozen=True, eq=False)
class Tracks:
    """Tracks of A agents over T steps; step t is at t dt after the start of the scenario.

    An agent is a box. Its state is x, y [m] of the box centre in the map frame, yaw [rad] of the box's
    length, counter-clockwise from x, and v [m/s] along yaw, below 0 when reversing. Lateral velocity is not
    represented.

    Attributes:
        ids: unique ids, (A,).
        kinds: from AGENT_KINDS, (A,).
        sizes: length and width of the boxes, (A, 2), in m.
        states: (A, T, 4), finite where valid, NaN elsewhere.
        valid: whether the agent is present, (A, T); at least once per agent.

    Raises:
        ShapeError: if the arrays do not match each other, or hold invalid values.
    """

    ids: tuple[int, ...]
    kinds: tuple[str, ...]
    sizes: NDArray[np.float64]
    states: NDArray[np.float64]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.ids)
        if len(set(self.ids)) != count or len(self.kinds) != count:
            raise ShapeError(
                f"tracks have the ids {self.ids} and {len(self.kinds)} kinds, "
                "wanted unique ids and one kind per id"
            )
        for kind in self.kinds:
            check_kind(kind, AGENT_KINDS, "a track")
        object.__setattr__(self, "sizes", frozen_array(self.sizes, "sizes of tracks", (count, 2)))
        object.__setattr__(
            self, "valid", frozen_array(self.valid, "valid of tracks", (count, None), np.bool_)
        )
        if not self.valid.any(axis=1).all():
            raise ShapeError("tracks hold an agent that is never valid; leave it out")
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
        """Number of steps T."""
        return int(self.states.shape[1])

    def at(self, step: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """States (A, 4) and validity (A,) at a step; all agents are invalid outside of the recording."""
        if 0 <= step < self.steps:
            return self.states[:, step], self.valid[:, step]
        return np.full((len(self.ids), 4), np.nan), np.zeros(len(self.ids), np.bool_)


def empty_tracks(steps: int = 0) -> Tracks:
    """Tracks without agents, for T steps."""
    return Tracks((), (), np.empty((0, 2)), np.empty((0, steps, 4)), np.empty((0, steps), np.bool_))


@dataclass(frozen=True, eq=False)
class Obstacle:
    """A static obstacle.

    Attributes:
        kind: from OBSTACLE_KINDS.
        shapes: the area it covers, in the map frame.
    """

    id: int
    kind: str
    shapes: tuple[Shape, ...]

    def __post_init__(self) -> None:
        check_kind(self.kind, OBSTACLE_KINDS, f"obstacle {self.id}")


@dataclass(frozen=True, eq=False)
class Region:
    """An area that may be occupied from the first to the last step, both included.

    Attributes:
        shapes: in the map frame.
    """

    first_step: int
    last_step: int
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, eq=False)
class Occupancy:
    """A set-based prediction: all positions an agent may occupy.

    Planners must avoid its regions like boxes. If `id` is that of a track, the track holds the agent's
    initial state and the regions cover the steps after it. Other ids belong to phantom agents, or to agents
    whose states were given as sets; the track of such an agent holds the centres of these sets.
    """

    id: int
    regions: tuple[Region, ...]

    def at(self, step: int) -> tuple[Points, ...]:
        """Outlines (P, 2) of the areas that may be occupied at a step."""
        shapes = (
            s
            for region in self.regions
            if region.first_step <= step <= region.last_step
            for s in region.shapes
        )
        return tuple(shape.outline for shape in shapes)
