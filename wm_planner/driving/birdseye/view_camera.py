"""What a driver sees, as a picture from above: of now, and of what is to come if all goes as it should."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.birdseye.raster import BirdsEyeRenderer
from wm_planner.driving.birdseye.scenario_camera import ScenarioCamera
from wm_planner.driving.drive import Drive
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.planners.base import View
from wm_planner.driving.scenarios.forecasts import constant_velocity

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]


class ViewCamera:
    """Draws the views of one drive, whoever they come from: a simulator, or messages."""

    def __init__(self, config: BirdsEyeRenderer.Config, drive: Drive) -> None:
        self._camera = ScenarioCamera(config, drive.scenario, drive.vehicle.size)

    def render_now(self, view: View) -> Picture:
        """What is there, (size, size, 3)."""
        return self._draw(view, view.vehicle.at_centre(view.ego)[: SPEED + 1], view.agents.states[0])

    def render_ahead(self, view: View, duration_s: float, distance_m: float, speed: float) -> Picture:
        """What is there after so many seconds: a goal that moves along with the ego.

        The ego has made `way_m` along the route and drives `speed` m/s in its middle; all others have kept
        their velocity.
        """
        line = view.drive.line
        s = float(line.project(view.vehicle.at_centre(view.ego)[:2]).s)
        others = constant_velocity(view.agents.states[0], duration_s, 1)[0]
        return self._draw(view, np.array([*line.poses(s + distance_m)[: YAW + 1], speed]), others)

    def _draw(self, view: View, ego: Floats, others: Floats) -> Picture:
        looks = self._camera.styles(view.agents.kinds, view.agents.sizes)
        return self._camera.render(ego, others, view.step, view.drive.line.points, styles=looks)
