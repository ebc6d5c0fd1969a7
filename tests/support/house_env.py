"""A Gymnasium environment that is heard, told and measured: audio, a text, labels and numbers with bounds."""

import gymnasium
import numpy as np
from gymnasium import spaces

MISSIONS = ("stay", "go to the kitchen")


class House(gymnasium.Env):
    """Rooms in a row; the action moves to a room, the microphone hears the way there."""

    def __init__(self):
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.observation_space = spaces.Dict(
            {
                "microphone": spaces.Box(-1, 1, (4, 2), np.float32),
                "mission": spaces.Text(20),
                "room": spaces.Discrete(3),
                "speed": spaces.Box(np.array([0, -np.inf]), np.array([5, np.inf]), dtype=np.float64),
            }
        )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.room, self.way = 1, 0.0
        return self._seen(), {}

    def step(self, action):
        self.way = float(action[0])
        self.room = int(np.clip(self.room + np.sign(self.way), 0, 2))
        return self._seen(), 0.0, False, False, {}

    def _seen(self):
        return {
            "microphone": np.full((4, 2), self.way, np.float32) * [1.0, -1.0],
            "mission": MISSIONS[self.room % 2],
            "room": self.room,
            "speed": np.array([abs(self.way), 100 * self.way]),
        }


gymnasium.register("tests/House-v0", House)
