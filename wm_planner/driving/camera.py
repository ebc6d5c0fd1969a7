"""A scenario as a camera above the ego sees it: map, lights, agents, obstacles and route in one picture."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.boxes import boxes
from wm_planner.driving.raster import AGENT, CENTRE, LIGHTS, MOTION, BirdsEye, Colour, Line
from wm_planner.driving.road import FOOTWAYS, Lane
from wm_planner.driving.scenario import Scenario
from wm_planner.driving.shapes import Points, Rectangle
from wm_planner.driving.tracks import SPEED, YAW

Floats = NDArray[np.float64]

PERSON: Colour = (220, 90, 220)
STANDING: Colour = (150, 90, 50)

_PEOPLE = frozenset({"pedestrian", "bicycle"})
_SEEN_PX = 3.0  # sides of a person, who would be a pixel or less
_SHOWN = {"red": "red", "redYellow": "red", "yellow": "yellow", "green": "green"}


class ScenarioCamera:
    """Draws the moments of one scenario.

    Args:
        size: length and width of the ego, (2,), in m.
    """

    def __init__(self, config: BirdsEye.Config, scenario: Scenario, size: Floats) -> None:
        self._road, self._size = scenario.road, size
        shapes = [shape for each in scenario.obstacles for shape in each.shapes]
        others = [shape.outline for shape in shapes if not isinstance(shape, Rectangle)]
        closed = [(np.concatenate([outline, outline[:1]]), STANDING) for outline in others]
        driven = [lane for lane in scenario.road.lanes.values() if not lane.kinds & FOOTWAYS]
        centres = [(lane.centre, CENTRE) for lane in driven]
        self._eye = BirdsEye(config, scenario.road.drivable, [*centres, *closed])
        self._standing = np.array(
            [(*s.centre, s.yaw, s.length, s.width) for s in shapes if isinstance(s, Rectangle)]
        ).reshape(-1, 5)
        people = np.array([kind in _PEOPLE for kind in scenario.tracks.kinds], np.bool_)
        least = np.where(people, _SEEN_PX * config.metres_per_px, 0.0)
        self._sizes = np.maximum(scenario.tracks.sizes, least[:, None])
        self._colours = [PERSON if person else AGENT for person in people]
        self._colours += [STANDING] * len(self._standing)
        self._lit = [lane for lane in driven if lane.lights]

    def picture(
        self, pose: Floats, agents: Floats, step: int, route: Points, lines: Iterable[Line] = ()
    ) -> NDArray[np.uint8]:
        """What it sees, (size, size, 3).

        Args:
            pose: of the middle of the ego's box, and its speed, (4 or more,).
            agents: states (A, 4) of everybody else; NaN for the absent.
            step: of the scenario, for the lights.
            route: the line to drive along, (P, 2), in m.
            lines: what else is to be seen on the road.
        """
        others = np.concatenate([boxes(agents, self._sizes), self._standing])
        moving = self._motion(np.concatenate([agents, pose[None, : SPEED + 1]]))
        drawn = (*lines, *self._lights(step), *moving)
        return self._eye.draw(boxes(pose, self._size), others, route, drawn, self._colours)

    def _motion(self, states: Floats) -> Iterator[Line]:
        """Lines from where everybody is, states (M, 4), to where they get at their speed."""
        moving = states[np.abs(states[:, SPEED]) * self._eye.config.motion_s > 0]
        ways = moving[:, SPEED, None] * np.stack([np.cos(moving[:, YAW]), np.sin(moving[:, YAW])], axis=1)
        ends = moving[:, :2] + self._eye.config.motion_s * ways
        return ((line, MOTION) for line in np.stack([moving[:, :2], ends], axis=1))

    def _lights(self, step: int) -> Iterator[Line]:
        """The stop lines of lanes with lights, in the lights' colours."""
        for lane in self._lit:
            for light in lane.lights:
                colour = _SHOWN.get(self._road.lights[light].colour(step))
                if colour:
                    yield _stop_line(lane), LIGHTS[colour]


def _stop_line(lane: Lane) -> Points:
    """Where a lane stops: its stop line, or across its end."""
    if lane.stop_line is not None:
        return lane.stop_line.points
    return np.stack([lane.left[-1], lane.right[-1]])
