"""MuJoCo scenes as Gymnasium environments.

`gymnasium.make("wm_planner.manipulation.simulation.gym_env:wm_planner/PandaReach-v0")` makes the environment
of a shipped scene; `...:wm_planner/Scene-v0` with `scene=<path>` makes that of any scene file.
"""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Space
from numpy.typing import NDArray

from wm_planner import share
from wm_planner.contracts.observation import Observation
from wm_planner.control.safety import Limits
from wm_planner.errors import ConfigError
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import load_scene

GOAL = "goal_"
"""Prefix of the goal's pictures in an observation."""

STEPS = 40  # of an episode of a shipped scene

GymObservation = dict[str, Any]


class SceneEnv(gymnasium.Env[GymObservation, NDArray[np.float64]]):
    """A scene; actions are those of its card, kept within the limits of its robot.

    An observation holds the cameras' pictures, those of the goal with the prefix `goal_`, and the states of
    `MujocoSimulator`. The reward is the negated distance of the scene's point from its goal, in m, after the
    step; `info` has `distance` and `is_success`. Physics that diverges terminates the episode.

    Args:
        scene: path of a scene file.
        render_mode: `rgb_array`, for the picture of the first camera, or None.

    Raises:
        ConfigError: if no scene is given.
        SimulationError: if the scene cannot be simulated.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012, as Gymnasium has it

    def __init__(self, scene: str = "", render_mode: str | None = None) -> None:
        if not scene:
            raise ConfigError("SceneEnv: got no scene, wanted scene=PATH of a file, e.g. sim/panda_reach.py")
        self.simulator = MujocoSimulator(load_scene(scene))
        self.render_mode = render_mode
        self._limits = Limits(*self.simulator.control.bounds, coupled=self.simulator.control.coupled)
        action = self.simulator.scene.action
        self.action_space = Box(np.array(action.low), np.array(action.high), dtype=np.float64)
        self._last = self.simulator.reset(0)
        self.observation_space = Dict(
            {name: _space(values) for name, values in self._gym_observation().items()}
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[GymObservation, dict[str, Any]]:
        super().reset(seed=seed)
        self._last = self.simulator.reset(int(self.np_random.integers(2**31)))
        return self._gym_observation(), self._info()

    def step(self, action: NDArray[np.float64]) -> tuple[GymObservation, float, bool, bool, dict[str, Any]]:
        q, period_s = self._last.state["joint_positions"], self.simulator.scene.control_dt_s
        command = self.simulator.control.command(q, np.asarray(action, np.float64))
        result = self.simulator.step(self._limits.apply(command, q, period_s).command)
        self._last = result.observation
        return self._gym_observation(), -result.distance, result.terminated, False, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """The picture of the first camera; None without a render mode."""
        if self.render_mode is None:
            return None
        return next(iter(self._last.images.values()))

    def close(self) -> None:
        """Release the renderer."""
        self.simulator.close()

    def _gym_observation(self) -> GymObservation:
        goal: Observation = self.simulator.goal
        shown = {f"{GOAL}{name}": picture.copy() for name, picture in goal.images.items()}
        return {**self._last.images, **shown, **self._last.state}

    def _info(self) -> dict[str, Any]:
        return {"distance": self.simulator.distance, "is_success": self.simulator.reached}


def _space(values: NDArray[Any]) -> Space[Any]:
    if values.dtype == np.uint8:
        return Box(0, 255, values.shape, np.uint8)
    return Box(-np.inf, np.inf, values.shape, np.float64)


def register() -> None:
    """Register the environments with Gymnasium; called when this module is imported."""
    entry = f"{__name__}:SceneEnv"
    gymnasium.register("wm_planner/Scene-v0", entry)
    for name in share.listing("sim", ".py"):
        title = Path(name).stem.title().replace("_", "")
        gymnasium.register(
            f"wm_planner/{title}-v0", entry, kwargs={"scene": f"sim/{name}"}, max_episode_steps=STEPS
        )


register()
