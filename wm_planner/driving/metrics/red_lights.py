"""Red lights: which lanes they close when, and who trajectories onto them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.scenarios.road import Incoming, Road, TrafficLight

CLOSED = frozenset({"red", "redYellow"})
"""Colours that close a lane."""


class RedLights:
    """The lanes behind lights. A light at a lane's end closes the lanes that follow it, in its direction."""

    def __init__(self, road: Road, lanes: Lanes) -> None:
        found = list(_closings(road, lanes))
        self._lights = [light for _, light in found]
        self._behind = Polygons([lanes[index].polygon for index, _ in found])

    def violations(self, trajectories: EgoTrajectories, first_step: int = 0) -> NDArray[np.bool_]:
        """Which trajectories enter a lane that is closed just then, with any corner, (N,).

        Who is on it already may go on.

        Args:
            first_step: of the trajectories, in the lights' count.
        """
        if not self._lights:
            return np.zeros(trajectories.count, np.bool_)
        at = box_corners(oriented_boxes(trajectories.states, trajectories.vehicle.size))  # (N, T, 4, 2)
        held = self._behind.containing(at).reshape(trajectories.count, trajectories.steps, -1)
        on = np.zeros((trajectories.count, trajectories.steps, len(self._lights) + 1), np.bool_)
        np.put_along_axis(on, held, True, axis=-1)  # the last one takes those that are none
        entered = on[:, 1:, :-1] & ~on[:, :-1, :-1]
        return np.asarray((entered & self._closed(first_step, trajectories.steps)[1:]).any(axis=(1, 2)))

    def _closed(self, first: int, steps: int) -> NDArray[np.bool_]:
        """When they are, (T, C)."""
        return np.array(
            [[light.colour(first + step) in CLOSED for light in self._lights] for step in range(steps)]
        )


def _closings(road: Road, lanes: Lanes) -> Iterator[tuple[int, TrafficLight]]:
    """Lanes by index, and lights that close them."""
    arms = {lane: arm for crossing in road.intersections for arm in crossing.incomings for lane in arm.lanes}
    for index in range(len(lanes)):
        lane = lanes[index]
        for light in (road.lights[identity] for identity in lane.lights):
            for after in lane.successors:
                if _holds_for(light.direction, after, arms.get(lane.id)):
                    yield from ((behind, light) for behind in lanes.indices([after]))


def _holds_for(direction: str, lane: int, arm: Incoming | None) -> bool:
    """Whether a light for "left", "straightRight", ... is for a lane that follows; if in doubt it is."""
    turns = {} if arm is None else {"left": arm.left, "straight": arm.straight, "right": arm.right}
    turn = next((name for name, to in turns.items() if lane in to), None)
    return turn is None or direction == "all" or turn in direction.lower()
