"""pytorch-mppi on the bicycle with a goal and an obstacle: 1000 samples, 30 steps, one iteration.

Car, goal and obstacle are those of the benchmark's `bicycle_problem`, which checks that the costs agree.
"""

from collections.abc import Callable
from typing import Any

import torch

torch.set_num_threads(1)

HORIZON, DT_S, WHEELBASE_M = 30, 0.1, 2.7
LOW, HIGH = torch.tensor([-6.0, -0.5]), torch.tensor([3.0, 0.5])  # m/s^2, rad
START = torch.tensor(
    [0.0, 0.0, 0.0, 8.0, 0.0]
)  # x, y, heading, speed, deepest intrusion into the obstacle so far
GOAL, CENTRE, RADIUS_M = torch.tensor([20.0, 0.0]), torch.tensor([10.0, 0.5]), 2.0


def dynamics(state: torch.Tensor, action: torch.Tensor, step: int) -> torch.Tensor:
    """States (N, 5) after actions (N, 2)."""
    speed = torch.clamp(state[:, 3] + action[:, 0] * DT_S, min=0)
    distance = (state[:, 3] + speed) * (DT_S / 2)
    turn = distance * torch.tan(action[:, 1]) / WHEELBASE_M
    mean_heading = state[:, 2] + turn / 2
    distance = distance * (1 - turn * turn / 24)  # the chord of an arc
    x, y = state[:, 0] + distance * torch.cos(mean_heading), state[:, 1] + distance * torch.sin(mean_heading)
    depth = RADIUS_M - torch.hypot(x - CENTRE[0], y - CENTRE[1])
    return torch.stack([x, y, state[:, 2] + turn, speed, torch.maximum(state[:, 4], depth)], dim=1)


def cost(state: torch.Tensor, action: torch.Tensor, step: int) -> torch.Tensor:
    """Running cost 0, (N,); at the last step the distance to the goal and the deepest intrusion."""
    if step < HORIZON - 1:
        return torch.zeros(len(state))
    return torch.mean((state[:, :2] - GOAL) ** 2, dim=1) + 100 * state[:, 4]


def costs(plans: list[Any]) -> list[float]:
    """Costs of plans (N, H, 2)."""
    actions = torch.tensor(plans)
    state = START.expand(len(actions), -1)
    for step in range(HORIZON):
        state = dynamics(state, actions[:, step], step)
    return cost(state, actions[:, -1], HORIZON - 1).tolist()


def planners() -> dict[str, Callable[[], Any]]:
    from pytorch_mppi import MPPI

    half = (HIGH - LOW) / 2
    mppi = MPPI(
        dynamics,
        cost,
        nx=len(START),
        noise_sigma=torch.diag((0.8 * half) ** 2),
        num_samples=1000,
        horizon=HORIZON,
        u_min=LOW,
        u_max=HIGH,
        U_init=torch.zeros(HORIZON, 2),
        step_dependent_dynamics=True,
    )

    def plan() -> Any:
        return mppi.command(START, shift_nominal_trajectory=False)

    return {"command": plan, "command, inference mode": torch.inference_mode()(plan)}
