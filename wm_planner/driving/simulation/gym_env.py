"""Driving as a Gymnasium environment, for what learns or plans behind that interface.

`gymnasium.make("wm_planner.driving.simulation.gym_env:wm_planner/DriveMerge-v0")` makes the environment of a
shipped scenario, `...:wm_planner/Drive-v0` with `scenario=<path>` that of any file.
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
"""Of the shipped scenarios' names."""

FAILURE = -10.0
"""Reward of a collision or of leaving the road, which end the episode; all else is the way gained in m."""

_STATE = ("position", "heading", "speed", "acceleration", "steering")

Seen = dict[str, Any]


class DrivingEnv(gymnasium.Env[Seen, NDArray[np.float64]]):
    """A traffic scenario.

    An action is an acceleration in m/s^2 and a steering rate in rad/s; an observation the picture from above,
    if there is one, and `state` (6,): x, y, yaw, speed, acceleration, steering of the rear axle.

    Args:
        scenario: path of a file.
        steps: after which an episode is truncated; by default the last at which the goal can be reached.
        driving: fills `DrivingSimulator.Options`.

    Raises:
        ConfigError: if no scenario is given, or a setting does not fit.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012, as Gymnasium has it

    def __init__(
        self, scenario: str = "", steps: int | None = None, render_mode: str | None = None, **driving: Any
    ) -> None:
        if not scenario:
            raise ConfigError(
                "DrivingEnv: got no scenario, wanted scenario=PATH of a file, as sim/drive_merge.xml"
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
    ) -> tuple[Seen, dict[str, Any]]:
        super().reset(seed=seed)
        self._is_running = True
        return _seen(self.simulator.reset(seed or 0)), {}

    def step(self, action: NDArray[np.float64]) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        if not self._is_running:
            raise SimulationError(
                "DrivingEnv: step() of an episode that has ended or not begun: call reset()"
            )
        before = self.simulator.distance
        result = self.simulator.step(action)
        failed = self.simulator.now.failed
        reward = FAILURE if failed else before - result.distance
        done = failed or result.success
        taken = self.simulator.step_index - self.simulator.drive.first_step
        truncated = taken >= self._most
        self._is_running = not (done or truncated)
        return _seen(result.observation), reward, done, truncated, dict(result.info)

    def render(self) -> NDArray[np.uint8] | None:
        """The picture from above; None unless `render_mode` asks for one."""
        if self.render_mode is None:
            return None
        return self.simulator.observe().images.get(CAMERA)

    @property
    def _most(self) -> int:
        """Steps of an episode."""
        if self._steps is not None:
            return self._steps
        drive = self.simulator.drive
        return max(goal.steps[1] for goal in drive.problem.goals) - drive.first_step


def _seen(observation: Observation) -> Seen:
    state = np.concatenate([observation.state[name] for name in _STATE])
    return {"state": state, **observation.images}


def register() -> None:
    """Make the environments known to Gymnasium; done when this module is imported."""
    entry = f"{__name__}:DrivingEnv"
    gymnasium.register("wm_planner/Drive-v0", entry)
    for name in share.listing("sim", ".xml"):
        if name.startswith(PREFIX):
            title = Path(name).stem.title().replace("_", "")
            gymnasium.register(f"wm_planner/{title}-v0", entry, kwargs={"scenario": f"sim/{name}"})


register()
