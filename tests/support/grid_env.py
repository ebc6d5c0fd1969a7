"""A Gymnasium environment with everything at once: pictures, nested signals, a goal, a text."""

import gymnasium
import numpy as np
from gymnasium import spaces

SIDE = 20


class Grid(gymnasium.Env):
    """A cell is moved to `desired_goal` by a MultiDiscrete action: 1 plus the steps down and right."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012, as Gymnasium has it

    def __init__(self, render_mode=None, action_space=None, observation_space=None):
        self.render_mode = render_mode
        self.action_space = action_space or spaces.MultiDiscrete([3, 3])
        self.observation_space = observation_space or spaces.Dict(
            {
                "view": spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8),
                "body": spaces.Dict({"cell": spaces.Box(0, SIDE - 1, (2,)), "holds": spaces.Discrete(2)}),
                "desired_goal": spaces.Box(0, SIDE - 1, (2,)),
                "mission": spaces.Text(20),
            }
        )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.np_random.integers(SIDE, size=2).astype(np.float64)
        self.desired = self.np_random.integers(SIDE, size=2).astype(np.float64)
        return self._get_obs(), {}

    def set_state(self, values):
        self.state = values.copy()

    def step(self, action):
        self.state = np.clip(self.state + action - 1, 0, SIDE - 1)
        reached = bool((self.state == self.desired).all())
        off = float(np.abs(self.state - self.desired).sum())
        return self._get_obs(), -off, reached, False, {"is_success": reached, "off": off, "note": "text"}

    def render(self):
        return np.repeat(self._view(), 3, axis=2)

    def _view(self):
        view = np.zeros((SIDE, SIDE, 1), np.uint8)
        view[tuple(self.state.astype(int))] = 255
        return view

    def _get_obs(self):
        return {
            "view": self._view(),
            "body": {"cell": self.state.astype(np.float32), "holds": 1},
            "desired_goal": self.desired.astype(np.float32),
            "mission": "go to the goal",
        }


gymnasium.register("tests/Grid-v0", Grid, max_episode_steps=50)
