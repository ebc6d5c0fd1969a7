"""A scene whose complete state is measured, for planning over its physics."""

from dataclasses import replace

from wm_planner.contracts.observation import Observation
from wm_planner.simulation.mujoco import MujocoSimulator


class TruthfulSimulator(MujocoSimulator):
    """As `MujocoSimulator`; observations hold also the states `physics` and `control` of `truth`."""

    def observe(self) -> Observation:
        seen = super().observe()
        return replace(seen, state={**seen.state, **self.truth().state})
