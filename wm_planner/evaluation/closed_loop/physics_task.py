"""Closed-loop planning over physics: scene, planning model, planner and costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from wm_planner import share
from wm_planner.config import Config, Positive, Seed, convert, put, read_yaml, setting
from wm_planner.contracts.context import Context
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError
from wm_planner.evaluation.closed_loop.policies import PhysicsPolicy
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.planners.problem import Problem
from wm_planner.simulation.arm_simulator import ArmSimulator
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.world_models.physics.model import PhysicsModel


class PhysicsTask(Config, frozen=True, kw_only=True):
    """The contents of a file `sim/<scene>.yaml`.

    Attributes:
        scene: path of the scene file.
        steps: control steps per episode.
        planner: `{type: icem, ...}`.
        costs: `[{type: state_goal, state: tcp_position}, ...]`.
        physics: the planning model, see `PhysicsModel.Config`.
        mpc: `{replan_every: 1}`.
        seed: seed of the planner.
    """

    scene: str
    steps: Positive
    planner: dict[str, Any]
    costs: list[dict[str, Any]]
    physics: PhysicsModel.Config = PhysicsModel.Config()
    mpc: RecedingHorizon.Config = RecedingHorizon.Config()
    seed: Seed = 0

    @classmethod
    def load(cls, name: str, changes: Sequence[str] = ()) -> "PhysicsTask":
        """Read a file, or that of a shipped scene by its stem.

        Args:
            name: path of the file, or stem of the scene.
            changes: "key=value", where a key is a path into the file, e.g. planner.horizon=10.

        Raises:
            ConfigError: if a value in the file is not valid, with its path.
            PluginError: if the file does not exist.
        """
        path = Path(name) if name.endswith(".yaml") else Path("sim") / f"{name}.yaml"
        values = read_yaml(share.find(path))
        for change in changes:
            put(values, *setting(change))
        task = convert(values, cls, f"{path}: ")
        task.mpc.check(PLANNERS.build(task.planner, f"{path}: planner").horizon)
        if not build_costs(task.costs, f"{path}: costs"):
            raise ConfigError(f"{path}: costs are empty, wanted at least one")
        return task

    def unmodified(self) -> "PhysicsTask":
        """The same task, planned over the unmodified scene."""
        return msgspec.structs.replace(self, physics=PhysicsModel.Config(threads=self.physics.threads))

    def problem(self, model: PhysicsModel, simulator: MujocoSimulator) -> Problem:
        """The planning problem from the simulator's current state."""
        goal = {f"{simulator.scene.point}_position": simulator.goal_position}
        costs = build_costs(self.costs, "costs")
        return Problem(model, model.encode(simulator.truth()), costs, Context(goal=goal))

    def __call__(self, simulator: ArmSimulator) -> PhysicsPolicy:
        model = PhysicsModel(self.physics, simulator.scene)
        planner, costs = PLANNERS.build(self.planner, "planner"), build_costs(self.costs, "costs")
        return PhysicsPolicy(model, RecedingHorizon(self.mpc, planner, model, costs, seed=self.seed))
