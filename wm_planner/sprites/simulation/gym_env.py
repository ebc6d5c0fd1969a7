"""SpriteYard as Gymnasium environments.

`gymnasium.make("wm_planner.sprites.simulation.gym_env:wm_planner/SpriteYard-Glide-v0")` makes one of the
levels, `SpriteYard-Point-v0` the other.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from wm_planner.config import convert
from wm_planner.sprites.simulation.simulator import CAMERA, SpriteSimulator
from wm_planner.sprites.simulation.yard import CONTROL_DT_S, STEPS, largest_action

Pictures = NDArray[np.uint8]


class SpriteYardEnv(gymnasium.Env[Pictures, NDArray[np.float32]]):
    """A yard; an observation is its picture, (S, S, 3), and an action one of `SpriteSimulator`.

    `info` holds `position`, `velocity` and `is_success`.

    Args:
        render_mode: `rgb_array` or None.
        yard: fields of `SpriteSimulator.Config`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / CONTROL_DT_S)}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None, **yard: Any) -> None:
        self.simulator = SpriteSimulator(convert(yard, SpriteSimulator.Config, "SpriteYardEnv: "))
        self.render_mode = render_mode
        size, limit = self.simulator.config.size_px, largest_action(self.simulator.config.level)
        self.observation_space = Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = Box(-limit, limit, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Pictures, dict[str, Any]]:
        super().reset(seed=seed)
        observation = self.simulator.reset(int(self.np_random.integers(2**31)))
        return observation.images[CAMERA], self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[Pictures, float, bool, bool, dict[str, Any]]:
        result = self.simulator.step(np.asarray(action, np.float64))
        return result.observation.images[CAMERA], result.reward, False, False, self._info()

    def render(self) -> Pictures | None:
        """The picture; None without a render mode."""
        return None if self.render_mode is None else self.simulator.observe().images[CAMERA]

    def _info(self) -> dict[str, Any]:
        state = self.simulator.observe().state
        return {**state, "is_success": self.simulator.reached}


def register() -> None:
    """Register the environments with Gymnasium; called when this module is imported."""
    for level in ("point", "glide"):
        gymnasium.register(
            f"wm_planner/SpriteYard-{level.title()}-v0",
            f"{__name__}:SpriteYardEnv",
            max_episode_steps=STEPS,
            kwargs={"level": level},
        )


register()
