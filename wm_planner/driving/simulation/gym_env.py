"""Driving as a Gymnasium environment.

`gymnasium.make("wm_planner.driving.simulation.gym_env:wm_planner/DriveMerge-v0")` makes the environment of a
shipped scenario; `...:wm_planner/Drive-v0` with `scenario=<path>` makes that of any file.
"""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Space
from numpy.typing import NDArray

from wm_planner import share
from wm_planner.config import convert
from wm_planner.contracts.observation import Observation
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.simulation.simulator import CAMERA, DrivingSimulator
from wm_planner.errors import ConfigError, SimulationError

PREFIX = "drive_"
"""File name prefix of the shipped scenarios."""

FAILURE_REWARD = -10.0
"""Reward of a collision or of leaving the road, which end the episode; otherwise it is the progress in m."""

_STATE = ("position", "heading", "speed", "acceleration", "steering")

GymObservation = dict[str, Any]


class DrivingEnv(gymnasium.Env[GymObservation, NDArray[np.float64]]):
    """A traffic scenario.

    An action is an acceleration in m/s^2 and a steering rate in rad/s. An observation is the bird's-eye
    image, unless it is disabled, and `state` (6,): x, y, yaw, speed, acceleration, steering angle.

    Args:
        scenario: path of a file.
        steps: number of steps after which an episode is truncated; by default when the goal's time is over.
        driving: fields of `DrivingSimulator.Options`.

    Raises:
        ConfigError: if no scenario is given, or an option is not valid.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012, as Gymnasium has it

    def __init__(
        self, scenario: str = "", steps: int | None = None, render_mode: str | None = None, **driving: Any
    ) -> None:
        if not scenario:
            raise ConfigError(
                "DrivingEnv: got no scenario, wanted scenario=PATH of a file, e.g. sim/drive_merge.xml"
            )
        if steps is not None and steps < 1:
            raise ConfigError(f"DrivingEnv: steps is {steps}, wanted 1 or more")
        config = convert(driving, DrivingSimulator.Options, "DrivingEnv: ")
        self.simulator = DrivingSimulator(read_scenario(share.find(scenario)), config)
        self.render_mode = render_mode
        self._steps = steps
        self._is_running = False
        action = self.simulator.scene.action
        self.action_space = Box(np.array(action.low), np.array(action.high), dtype=np.float64)
        spaces: dict[str, Space[Any]] = {"state": Box(-np.inf, np.inf, (6,), np.float64)}
        if self.simulator.scene.cameras:
            spaces[CAMERA] = Box(0, 255, (*self.simulator.scene.image_size, 3), np.uint8)
        self.observation_space = Dict(spaces)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[GymObservation, dict[str, Any]]:
        super().reset(seed=seed)
        self._is_running = True
        return _gym_observation(self.simulator.reset(seed or 0)), {}

    def step(self, action: NDArray[np.float64]) -> tuple[GymObservation, float, bool, bool, dict[str, Any]]:
        if not self._is_running:
            raise SimulationError(
                "DrivingEnv: step() of an episode that has ended or not begun: call reset()"
            )
        before = self.simulator.distance
        result = self.simulator.step(action)
        failed = self.simulator.now.failed
        reward = FAILURE_REWARD if failed else before - result.distance
        done = failed or result.success
        steps = self.simulator.step_index - self.simulator.drive.first_step
        limit = self._steps or self.simulator.objective.steps
        truncated = bool(limit) and steps >= limit
        self._is_running = not (done or truncated)
        return _gym_observation(result.observation), reward, done, truncated, dict(result.info)

    def render(self) -> NDArray[np.uint8] | None:
        """The bird's-eye image; None without a render mode."""
        if self.render_mode is None:
            return None
        return self.simulator.observe().images.get(CAMERA)


def _gym_observation(observation: Observation) -> GymObservation:
    state = np.concatenate([observation.state[name] for name in _STATE])
    return {"state": state, **observation.images}


def register() -> None:
    """Register the environments with Gymnasium; called when this module is imported."""
    entry = f"{__name__}:DrivingEnv"
    gymnasium.register("wm_planner/Drive-v0", entry)
    for name in share.listing("sim", ".xml"):
        if name.startswith(PREFIX):
            title = Path(name).stem.title().replace("_", "")
            gymnasium.register(f"wm_planner/{title}-v0", entry, kwargs={"scenario": f"sim/{name}"})


register()
