"""judo's optimizers with a trivial reward: 300 samples, 10 iterations, 5 knots of 10 values.

Only sampling and update are timed, not its controller, whose tasks download meshes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from judo.optimizers.cem import CrossEntropyMethod, CrossEntropyMethodConfig
from judo.optimizers.mppi import MPPI, MPPIConfig

ITERATIONS = 10


def planners() -> dict[str, Callable[[], Any]]:
    size = {"num_rollouts": 300, "num_nodes": 5}
    return {
        "cem": lambda: optimize(CrossEntropyMethod(CrossEntropyMethodConfig(num_elites=30, **size), nu=10)),
        "mppi": lambda: optimize(MPPI(MPPIConfig(**size), nu=10)),
    }


def optimize(optimizer: Any) -> Any:
    knots = np.zeros((5, 10))
    for _ in range(ITERATIONS):
        sampled = optimizer.sample_control_knots(knots)
        knots = optimizer.update_nominal_knots(sampled, -sampled[:, 0, 0])
    return knots
