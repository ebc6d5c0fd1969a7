"""Bird's-eye-view images of a scenario: map, lights, agents, obstacles and route."""

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
_MIN_SIZE_PX = 3.0  # of vulnerable road users, which would be about one pixel large otherwise
_LIGHT_SHADES = {"red": "red", "redYellow": "red", "yellow": "yellow", "green": "green"}


class BoxStyles(NamedTuple):
    """Drawn lengths and widths of A boxes, (A, 2), in m, and their colours."""

    sizes: Floats
    colours: Sequence[Colour]


class ScenarioCamera:
    """Renders the steps of one scenario.

    Args:
        size: length and width of the ego, (2,), in m.
    """

    def __init__(self, config: BirdsEyeRenderer.Config, scenario: Scenario, size: Floats) -> None:
        self._road, self._size = scenario.road, size
        shapes = [shape for each in scenario.obstacles for shape in each.shapes]
        outlines = [shape.outline for shape in shapes if not isinstance(shape, Rectangle)]
        closed = [(np.concatenate([outline, outline[:1]]), STATIC) for outline in outlines]
        drivable = [lane for lane in scenario.road.lanes.values() if not lane.kinds & NON_DRIVABLE_KINDS]
        centres = [(lane.centre, CENTRE) for lane in drivable]
        self._renderer = BirdsEyeRenderer(config, scenario.road.drivable, [*centres, *closed])
        self._static_boxes = np.array(
            [(*s.centre, s.yaw, s.length, s.width) for s in shapes if isinstance(s, Rectangle)]
        ).reshape(-1, 5)
        self._styles = self.styles(scenario.tracks.kinds, scenario.tracks.sizes)
        self._lanes_with_lights = [lane for lane in drivable if lane.lights]

    def styles(self, kinds: Sequence[str], sizes: Floats) -> BoxStyles:
        """Styles of agents of these kinds and sizes (A, 2) in m."""
        is_vulnerable = np.array([kind in _VULNERABLE_KINDS for kind in kinds], np.bool_)
        min_size = np.where(is_vulnerable, _MIN_SIZE_PX * self._renderer.config.metres_per_px, 0.0)
        colours = [PEDESTRIAN if vulnerable else AGENT for vulnerable in is_vulnerable]
        return BoxStyles(np.maximum(sizes, min_size[:, None]), colours)

    def render(
        self,
        pose: Floats,
        agents: Floats,
        step: int,
        route: Points,
        lines: Iterable[Line] = (),
        styles: BoxStyles | None = None,
    ) -> NDArray[np.uint8]:
        """The image (size, size, 3) at one step.

        Args:
            pose: x, y, yaw of the ego's box centre, and its speed, (4 or more,).
            agents: states (A, 4) of the agents; NaN where absent.
            step: of the scenario, for the lights.
            route: (P, 2), in m.
            lines: further lines on the road.
            styles: of the agents; None if they are the scenario's tracks.
        """
        sizes, colours = styles or self._styles
        boxes = np.concatenate([oriented_boxes(agents, sizes), self._static_boxes])
        motion = self._motion(np.concatenate([agents, pose[None, : SPEED + 1]]))
        all_lines = (*lines, *self._lights(step), *motion)
        colours = [*colours, *[STATIC] * len(self._static_boxes)]
        return self._renderer.draw(oriented_boxes(pose, self._size), boxes, route, all_lines, colours)

    def _motion(self, states: Floats) -> Iterator[Line]:
        """Lines from the positions of states (M, 4) to those after `motion_s` at constant velocity."""
        moving = states[np.abs(states[:, SPEED]) * self._renderer.config.motion_s > 0]
        directions = np.stack([np.cos(moving[:, YAW]), np.sin(moving[:, YAW])], axis=1)
        ends = moving[:, :2] + self._renderer.config.motion_s * (moving[:, SPEED, None] * directions)
        return ((line, MOTION) for line in np.stack([moving[:, :2], ends], axis=1))

    def _lights(self, step: int) -> Iterator[Line]:
        """The stop lines of lanes with lights, in the lights' colours."""
        for lane in self._lanes_with_lights:
            for light in lane.lights:
                colour = _LIGHT_SHADES.get(self._road.lights[light].colour(step))
                if colour:
                    yield _stop_line(lane), LIGHTS[colour]


def _stop_line(lane: Lane) -> Points:
    """The stop line (2, 2) of a lane; without one, the line across its end."""
    if lane.stop_line is not None:
        return lane.stop_line.points
    return np.stack([lane.left[-1], lane.right[-1]])
