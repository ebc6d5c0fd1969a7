"""A cost of your own next to a shipped one: reach the goal, but approach it from above.

In a launch file it would be `{type: examples/write_a_cost.py:StayAbove, weight: 20.0}`.

    python examples/write_a_cost.py
"""

from collections.abc import Sequence

import numpy as np

import wm_planner as wm
from wm_planner.config import Config
from wm_planner.contracts.cost import WeightedCost


class StayAbove:
    """Metres that the tool point is imagined below a height, summed over the horizon."""

    class Config(Config, frozen=True, kw_only=True):
        height: float = 0.30  # m

    def __init__(self, config: Config) -> None:
        self.height = config.height
        self.requires = frozenset({"state:tcp_position"})  # checked against the card of the model

    def __call__(self, rollout: wm.Rollout, actions: np.ndarray, context: wm.Context) -> np.ndarray:
        z = rollout.states["tcp_position"][..., 2]  # (N, H), m
        return np.maximum(self.height - z, 0.0).sum(axis=1)  # (N,), lower is better


def lowest_point(costs: Sequence[WeightedCost]) -> float:
    """The lowest height in m on the way to the goal of episode 1."""
    model = wm.OnnxWorldModel.load("models/bundles/panda_reach")
    planner = wm.PLANNERS.build({"type": "icem", "horizon": 3, "samples": 48}, where="planner")
    mpc = wm.RecedingHorizon(wm.RecedingHorizon.Config(), planner, model, costs, seed=0)
    simulator = wm.MujocoSimulator(wm.load_scene("sim/panda_reach.py"))
    observation = simulator.reset(seed=1)
    goal, heights = model.encode(simulator.goal), []
    for tick in range(5):
        decision = mpc.tick(model.encode(observation), wm.Context(goal_latent=goal), tick)
        joints = observation.state["joint_positions"]
        observation = simulator.step(simulator.control.command(joints, decision.actions[0])).observation
        heights.append(observation.state["tcp_position"][2])
    print(f"{', '.join(decision.plan.terms)}: {100 * simulator.distance:.1f} cm from the goal after 5 steps")
    simulator.close()
    return min(heights)


def main() -> None:
    goal = {"type": "latent_goal", "mean_weight": 2.0}
    mine = {"type": f"{__file__}:StayAbove", "name": "stay_above", "weight": 20.0}
    without = lowest_point(wm.build_costs([goal], where="costs"))
    with_it = lowest_point(wm.build_costs([goal, mine], where="costs"))
    print(f"lowest height: {without:.2f} m without the cost, {with_it:.2f} m with it")


if __name__ == "__main__":
    main()
