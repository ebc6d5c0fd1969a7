"""Red lights: the lanes that they close, and trajectories that enter those lanes."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.scenarios.road import Incoming, Road, TrafficLight

CLOSED = frozenset({"red", "redYellow"})
"""States of a traffic light that close a lane."""


class RedLights:
    """Lanes closed by traffic lights: a light at a lane's end closes the successors in its direction."""

    def __init__(self, road: Road, lanes: Lanes) -> None:
        closures = list(_closures(road, lanes))
        self._lights = [light for _, light in closures]
        self._closed_lanes = Polygons([lanes[index].polygon for index, _ in closures])

    def violations(self, trajectories: EgoTrajectories, first_step: int = 0) -> NDArray[np.bool_]:
        """Whether any corner of the ego enters a lane while it is closed, (N,).

        The ego may drive on if it is on the lane already.

        Args:
            first_step: step of the scenario at which the trajectories begin.
        """
        if not self._lights:
            return np.zeros(trajectories.count, np.bool_)
        corners = box_corners(oriented_boxes(trajectories.states, trajectories.vehicle.size))  # (N, T, 4, 2)
        inside = self._closed_lanes.containing(corners).reshape(trajectories.count, trajectories.steps, -1)
        on = np.zeros((trajectories.count, trajectories.steps, len(self._lights) + 1), np.bool_)
        np.put_along_axis(on, inside, True, axis=-1)  # the last column stands for no lane
        entered = on[:, 1:, :-1] & ~on[:, :-1, :-1]
        return np.asarray((entered & self._closed(first_step, trajectories.steps)[1:]).any(axis=(1, 2)))

    def _closed(self, first: int, steps: int) -> NDArray[np.bool_]:
        """Whether each of the C lanes is closed at each step, (T, C)."""
        return np.array(
            [[light.colour(first + step) in CLOSED for light in self._lights] for step in range(steps)]
        )


def _closures(road: Road, lanes: Lanes) -> Iterator[tuple[int, TrafficLight]]:
    """Indices of lanes, and the lights that close them."""
    incomings = {
        lane: incoming
        for intersection in road.intersections
        for incoming in intersection.incomings
        for lane in incoming.lanes
    }
    for index in range(len(lanes)):
        lane = lanes[index]
        for light in (road.lights[identity] for identity in lane.lights):
            for after in lane.successors:
                if _applies_to(light.direction, after, incomings.get(lane.id)):
                    yield from ((closed, light) for closed in lanes.indices([after]))


def _applies_to(direction: str, lane: int, incoming: Incoming | None) -> bool:
    """Whether a light for "left", "straightRight", ... applies to a lane; true where its turn is unknown."""
    turns = (
        {"left": incoming.left, "straight": incoming.straight, "right": incoming.right} if incoming else {}
    )
    turn = next((name for name, successors in turns.items() if lane in successors), None)
    return turn is None or direction == "all" or turn in direction.lower()
