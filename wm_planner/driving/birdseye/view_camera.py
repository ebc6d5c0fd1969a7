"""Bird's-eye-view images of a driver's view, and of the goal ahead."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.birdseye.raster import BirdsEyeRenderer
from wm_planner.driving.birdseye.scenario_camera import ScenarioCamera
from wm_planner.driving.drive import Drive
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.planners.base import View
from wm_planner.driving.scenarios.forecasts import constant_velocity

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]


class ViewCamera:
    """Renders the views of one drive, from a simulator or from messages."""

    def __init__(self, config: BirdsEyeRenderer.Config, drive: Drive) -> None:
        self._camera = ScenarioCamera(config, drive.scenario, drive.vehicle.size)

    def render_now(self, view: View) -> Image:
        """The current image, (size, size, 3)."""
        return self._draw(view, view.vehicle.at_centre(view.ego)[: SPEED + 1], view.agents.states[0])

    def render_ahead(self, view: View, duration_s: float, distance_m: float, speed: float) -> Image:
        """The expected image after `duration_s`, as a goal that moves along with the ego.

        The ego is on the route's centre line, `distance_m` ahead, at `speed` in m/s; all agents keep their
        velocity.
        """
        line = view.drive.line
        s = float(line.project(view.vehicle.at_centre(view.ego)[:2]).s)
        agents = constant_velocity(view.agents.states[0], duration_s, 1)[0]
        return self._draw(view, np.array([*line.poses(s + distance_m)[: YAW + 1], speed]), agents)

    def _draw(self, view: View, ego: Floats, agents: Floats) -> Image:
        styles = self._camera.styles(view.agents.kinds, view.agents.sizes)
        return self._camera.render(ego, agents, view.step, view.drive.line.points, styles=styles)
