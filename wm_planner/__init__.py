"""Plan with learned world models on robots and cars.

The nouns most programs need are here; everything else is reached by its module. A noun's module is imported
when the noun is first used, so that a planner does not load a simulator.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wm_planner.contracts.card import Card
    from wm_planner.contracts.context import Context
    from wm_planner.contracts.observation import Observation
    from wm_planner.contracts.rollout import Rollout
    from wm_planner.contracts.task import Goal
    from wm_planner.contracts.world_model import WorldModel
    from wm_planner.costs import build_costs
    from wm_planner.errors import WmError
    from wm_planner.node import Node
    from wm_planner.planners import PLANNERS
    from wm_planner.planners.base import Plan
    from wm_planner.planners.mpc import RecedingHorizon
    from wm_planner.planners.problem import Problem
    from wm_planner.recording.player import Player
    from wm_planner.simulation.mujoco import MujocoSimulator
    from wm_planner.simulation.scene import load_scene
    from wm_planner.world_models.onnx.model import OnnxWorldModel
    from wm_planner.world_models.physics.model import PhysicsModel

_HOMES = {
    "Card": "contracts.card",
    "Context": "contracts.context",
    "Goal": "contracts.task",
    "MujocoSimulator": "simulation.mujoco",
    "Node": "node",
    "Observation": "contracts.observation",
    "OnnxWorldModel": "world_models.onnx.model",
    "PLANNERS": "planners",
    "PhysicsModel": "world_models.physics.model",
    "Plan": "planners.base",
    "Player": "recording.player",
    "Problem": "planners.problem",
    "RecedingHorizon": "planners.mpc",
    "Rollout": "contracts.rollout",
    "WmError": "errors",
    "WorldModel": "contracts.world_model",
    "build_costs": "costs",
    "load_scene": "simulation.scene",
}

__all__ = [
    "PLANNERS",
    "Card",
    "Context",
    "Goal",
    "MujocoSimulator",
    "Node",
    "Observation",
    "OnnxWorldModel",
    "PhysicsModel",
    "Plan",
    "Player",
    "Problem",
    "RecedingHorizon",
    "Rollout",
    "WmError",
    "WorldModel",
    "build_costs",
    "load_scene",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wm_planner' has no attribute '{name}'")
    return getattr(importlib.import_module(f"wm_planner.{_HOMES[name]}"), name)
