"""stable-worldmodel's solvers over a cost that does nothing: 300 samples, 10 iterations, 5 steps of 10.

Only its solvers are loaded: the package as a whole wants a torchvision that is built as torch is.
"""

import functools
import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch

torch.set_num_threads(1)


class Nothing:
    """A model whose cost is the first number of the first action."""

    def get_cost(self, info: dict[str, Any], candidates: torch.Tensor) -> torch.Tensor:
        return candidates[..., 0, 0]


def planners() -> dict[str, Callable[[], Any]]:
    package = types.ModuleType("stable_worldmodel")
    found = importlib.util.find_spec("stable_worldmodel")
    package.__path__ = list(found.submodule_search_locations or ()) if found else []
    sys.modules["stable_worldmodel"] = package
    from stable_worldmodel.solver import CEMSolver, ICEMSolver, MPPISolver

    space = gymnasium.spaces.Box(-1, 1, (1, 2), np.float32)
    config = types.SimpleNamespace(horizon=5, receding_horizon=5, action_block=5)  # 2 x 5 = 10 numbers a step
    seen = {"state": torch.zeros(1, 1)}
    solvers: dict[str, Callable[[], Any]] = {}
    for name, solver in {"cem": CEMSolver, "icem": ICEMSolver, "mppi": MPPISolver}.items():
        built = solver(Nothing(), num_samples=300, n_steps=10, topk=30)
        built.configure(action_space=space, n_envs=1, config=config)
        solvers[name] = functools.partial(built, seen)
    return solvers
