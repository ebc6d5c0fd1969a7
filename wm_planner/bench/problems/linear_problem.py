"""A linear-quadratic problem with a known optimum: a double integrator and the Riccati recursion."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wm_planner.bench.problems.cost_curve import CostCurve
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import ActionSpec, Card, LatentSpec, ObservationSpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.planners.problem import Problem

Floats = NDArray[np.float64]

DT_S = 0.1
HORIZON = 20
_START = np.array([[1.0, -0.6, 0.4, 0.8]])  # m and m/s; the optimal actions stay within their bounds
_LIMIT = 6.0  # m/s^2


class DoubleIntegrator:
    """A point mass in the plane: state (x, y, vx, vy) in m and m/s, action (ax, ay) in m/s^2."""

    a = np.eye(4) + DT_S * np.eye(4, k=2)
    b = np.concatenate([DT_S**2 / 2 * np.eye(2), DT_S * np.eye(2)])

    def __init__(self) -> None:
        self.card = Card(
            name="double_integrator",
            family="linear",
            about="a point mass in the plane",
            observation=ObservationSpec(),
            action=ActionSpec(
                names=("ax", "ay"), units=("m/s^2",) * 2, low=(-_LIMIT,) * 2, high=(_LIMIT,) * 2
            ),
            control_dt_s=DT_S,
            latents=(LatentSpec(name="state", shape=(4,), dtype="float64", unit="m, m/s"),),
            max_candidates=4096,
        )

    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        """The state itself."""
        return {"state": np.asarray(observation.state["state"], float)[None]}

    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """One step of N states."""
        return {"state": latent["state"] @ self.a.T + action @ self.b.T}, {}

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Roll out `actions` (N, H, 2) from one state or from N."""
        now = np.broadcast_to(latent["state"], (len(actions), 4))
        states = np.empty((*actions.shape[:2], 4))
        for h in range(actions.shape[1]):
            states[:, h] = now = now @ self.a.T + actions[:, h] @ self.b.T
        return Rollout({"state": states}, {"state": states})


class QuadraticCost:
    """The sum of x'Qx + u'Ru over the steps, where x are the states after each action."""

    q = np.array([1.0, 1.0, 0.1, 0.1])
    r = np.array([0.05, 0.05])
    requires = frozenset({"state:state"})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Floats:
        states = rollout.states["state"]
        costs: Floats = np.sum(states**2 @ self.q + actions.astype(float) ** 2 @ self.r, axis=1)
        return costs


def linear_problem() -> tuple[Problem, CostCurve]:
    """The problem, and its cost with the curve of the search."""
    cost = CostCurve([WeightedCost("lqr", QuadraticCost())])
    return Problem(DoubleIntegrator(), {"state": _START}, [WeightedCost("lqr", cost)], Context()), cost


def riccati() -> tuple[float, Floats]:
    """The optimal cost and the optimal actions (H, 2).

    Source: the finite-horizon recursion, e.g. Anderson & Moore 1990, sec. 2.4.
    """
    a, b = DoubleIntegrator.a, DoubleIntegrator.b
    q, r = np.diag(QuadraticCost.q), np.diag(QuadraticCost.r)
    to_go, gains = np.zeros((4, 4)), []  # cost-to-go after the last step
    for _ in range(HORIZON):
        inner = q + to_go
        gain = np.linalg.solve(r + b.T @ inner @ b, b.T @ inner @ a)
        to_go = a.T @ inner @ (a - b @ gain)
        gains.append(gain)
    state, actions = _START[0], []
    for gain in reversed(gains):
        actions.append(-gain @ state)
        state = a @ state + b @ actions[-1]
    return float(_START[0] @ to_go @ _START[0]), np.stack(actions)
