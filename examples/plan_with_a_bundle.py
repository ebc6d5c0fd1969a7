"""Bring a simulated arm to a goal picture with a learned world model, in one process and without nodes.

python examples/plan_with_a_bundle.py
"""

import wm_planner as wm

STEPS = 12  # control periods of 0.2 s


def main() -> None:
    model = wm.OnnxWorldModel.load("models/bundles/panda_reach_small")
    planner = wm.PLANNERS.build({"type": "icem", "horizon": 3, "samples": 48}, where="planner")
    costs = wm.build_costs([{"type": "latent_goal", "mean_weight": 2.0}], where="costs")
    mpc = wm.RecedingHorizon(wm.RecedingHorizon.Config(), planner, model, costs, seed=0)

    simulator = wm.MujocoSimulator(wm.load_scene("sim/panda_reach.py"))
    observation = simulator.reset(seed=3)
    goal = model.encode(simulator.goal)  # pictures only: the planner never learns where the goal is
    action = None
    print(f"start: {100 * simulator.distance:.1f} cm from the goal")
    for tick in range(STEPS):
        latent = model.encode(observation)
        decision = mpc.tick(latent, wm.Context(goal_latent=goal, last_action=action), tick)
        action = decision.actions[0]  # (3,), a displacement of the tool point in m
        joints = observation.state["joint_positions"]
        result = simulator.step(simulator.control.command(joints, action))
        observation = result.observation
        cost, away_cm = decision.plan.cost, 100 * result.distance
        print(f"step {tick + 1:2d}: cost of the plan {cost:5.2f}, {away_cm:4.1f} cm from the goal")
    simulator.close()


if __name__ == "__main__":
    main()
