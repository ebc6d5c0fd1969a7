"""A scenario as a camera above the ego sees it: map, lights, agents, obstacles and route in one picture."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.birdseye.raster import (
    AGENT,
    CENTRE,
    LIGHTS,
    MOTION,
    BirdsEyeRenderer,
    Colour,
    Line,
)
from wm_planner.driving.geometry.boxes import oriented_boxes
from wm_planner.driving.geometry.shapes import Points, Rectangle
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.scenarios.road import NON_DRIVABLE_KINDS, Lane
from wm_planner.driving.scenarios.scenario import Scenario

Floats = NDArray[np.float64]

PEDESTRIAN: Colour = (220, 90, 220)
STATIC: Colour = (150, 90, 50)

_VULNERABLE_KINDS = frozenset({"pedestrian", "bicycle"})
_MIN_SIZE_PX = 3.0  # sides of a person, who would be a pixel or less
_LIGHT_SHADES = {"red": "red", "redYellow": "red", "yellow": "yellow", "green": "green"}


class BoxStyles(NamedTuple):
    """Length and width of A boxes as they are drawn, (A, 2), in m, and their colours."""

    sizes: Floats
    colours: Sequence[Colour]


class ScenarioCamera:
    """Draws the moments of one scenario.

    Args:
        size: length and width of the ego, (2,), in m.
    """

    def __init__(self, config: BirdsEyeRenderer.Config, scenario: Scenario, size: Floats) -> None:
        self._road, self._size = scenario.road, size
        shapes = [shape for each in scenario.obstacles for shape in each.shapes]
        others = [shape.outline for shape in shapes if not isinstance(shape, Rectangle)]
        closed = [(np.concatenate([outline, outline[:1]]), STATIC) for outline in others]
        driven = [lane for lane in scenario.road.lanes.values() if not lane.kinds & NON_DRIVABLE_KINDS]
        centres = [(lane.centre, CENTRE) for lane in driven]
        self._renderer = BirdsEyeRenderer(config, scenario.road.drivable, [*centres, *closed])
        self._static_boxes = np.array(
            [(*s.centre, s.yaw, s.length, s.width) for s in shapes if isinstance(s, Rectangle)]
        ).reshape(-1, 5)
        self._styles = self.styles(scenario.tracks.kinds, scenario.tracks.sizes)
        self._lanes_with_lights = [lane for lane in driven if lane.lights]

    def styles(self, kinds: Sequence[str], sizes: Floats) -> BoxStyles:
        """How agents of these kinds and sizes (A, 2) look."""
        people = np.array([kind in _VULNERABLE_KINDS for kind in kinds], np.bool_)
        least = np.where(people, _MIN_SIZE_PX * self._renderer.config.metres_per_px, 0.0)
        colours = [PEDESTRIAN if person else AGENT for person in people]
        return BoxStyles(np.maximum(sizes, least[:, None]), colours)

    def render(
        self,
        pose: Floats,
        agents: Floats,
        step: int,
        route: Points,
        lines: Iterable[Line] = (),
        styles: BoxStyles | None = None,
    ) -> NDArray[np.uint8]:
        """What it sees, (size, size, 3).

        Args:
            pose: of the middle of the ego's box, and its speed, (4 or more,).
            agents: states (A, 4) of everybody else; NaN for the absent.
            step: of the scenario, for the lights.
            route: the line to drive along, (P, 2), in m.
            lines: what else is to be seen on the road.
            styles: sizes and colours of the agents; None where they are the scenario's.
        """
        sizes, colours = styles or self._styles
        others = np.concatenate([oriented_boxes(agents, sizes), self._static_boxes])
        moving = self._motion(np.concatenate([agents, pose[None, : SPEED + 1]]))
        drawn = (*lines, *self._lights(step), *moving)
        colours = [*colours, *[STATIC] * len(self._static_boxes)]
        return self._renderer.draw(oriented_boxes(pose, self._size), others, route, drawn, colours)

    def _motion(self, states: Floats) -> Iterator[Line]:
        """Lines from where everybody is, states (M, 4), to where they get at their speed."""
        moving = states[np.abs(states[:, SPEED]) * self._renderer.config.motion_s > 0]
        ways = moving[:, SPEED, None] * np.stack([np.cos(moving[:, YAW]), np.sin(moving[:, YAW])], axis=1)
        ends = moving[:, :2] + self._renderer.config.motion_s * ways
        return ((line, MOTION) for line in np.stack([moving[:, :2], ends], axis=1))

    def _lights(self, step: int) -> Iterator[Line]:
        """The stop lines of lanes with lights, in the lights' colours."""
        for lane in self._lanes_with_lights:
            for light in lane.lights:
                colour = _LIGHT_SHADES.get(self._road.lights[light].colour(step))
                if colour:
                    yield _stop_line(lane), LIGHTS[colour]


def _stop_line(lane: Lane) -> Points:
    """Where a lane stops: its stop line, or across its end."""
    if lane.stop_line is not None:
        return lane.stop_line.points
    return np.stack([lane.left[-1], lane.right[-1]])
