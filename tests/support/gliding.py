"""A glider as a simulator: actions accelerate it, and observations hold its position alone."""

from types import SimpleNamespace

import numpy as np
from point_mass import action_spec

from wm_planner import config
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import StepResult
from wm_planner.contracts.task import Goal

DT_NS = 100_000_000


class Gliding:
    """z' = z + v', v' = v + a; solved within 0.5 m of the origin, over once it is 20 m away."""

    class Config(config.Config, frozen=True, kw_only=True):
        """No options."""

    scene = SimpleNamespace(
        name="gliding", cameras=(), image_size=(0, 0), control_dt_s=0.1, action=action_spec()
    )
    goal = Goal({})

    def __init__(self, config):
        self.closed = False

    def reset(self, seed):
        rng = np.random.default_rng(seed)
        self.z, self.v, self.ticks = rng.uniform(-4, 4, 2), rng.uniform(-1, 1, 2), 0
        return self.observe()

    def step(self, command):
        assert np.abs(command).max() <= 1
        self.v = self.v + command
        self.z = self.z + self.v
        self.ticks += 1
        off = float(np.linalg.norm(self.z))
        return StepResult(self.observe(), off < 0.5, off, reward=-(off**2), terminated=off > 20)

    def observe(self):
        return Observation({}, {"position": self.z.copy()}, self.ticks * DT_NS)

    def close(self):
        self.closed = True
