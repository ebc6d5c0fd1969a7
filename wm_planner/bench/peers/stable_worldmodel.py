"""stable-worldmodel's solvers with a trivial cost: 300 samples, 10 iterations, 5 steps of 10 values.

Only its solvers are imported: the whole package needs a torchvision that matches the build of torch.
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


class TrivialModel:
    """A model whose cost is the first value of the first action."""

    def get_cost(self, info: dict[str, Any], candidates: torch.Tensor) -> torch.Tensor:
        return candidates[..., 0, 0]


def planners() -> dict[str, Callable[[], Any]]:
    package = types.ModuleType("stable_worldmodel")
    spec = importlib.util.find_spec("stable_worldmodel")
    package.__path__ = list(spec.submodule_search_locations or ()) if spec else []
    sys.modules["stable_worldmodel"] = package
    from stable_worldmodel.solver import CEMSolver, ICEMSolver, MPPISolver

    space = gymnasium.spaces.Box(-1, 1, (1, 2), np.float32)
    config = types.SimpleNamespace(
        horizon=5, receding_horizon=5, action_block=5
    )  # 2 x 5 = 10 values per step
    info = {"state": torch.zeros(1, 1)}
    solvers: dict[str, Callable[[], Any]] = {}
    for name, solver in {"cem": CEMSolver, "icem": ICEMSolver, "mppi": MPPISolver}.items():
        built = solver(TrivialModel(), num_samples=300, n_steps=10, topk=30)
        built.configure(action_space=space, n_envs=1, config=config)
        solvers[name] = functools.partial(built, info)
    return solvers
