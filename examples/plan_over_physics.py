"""Swing up a pole by planning over MuJoCo itself: no learned model, no training.

`sim/cartpole.yaml` names the scene, the planning model, the planner and the costs.

    python examples/plan_over_physics.py
"""

import wm_planner as wm
from wm_planner.evaluation.closed_loop.physics_task import PhysicsTask

STEPS = 75  # control periods of 0.04 s


def main() -> None:
    task = PhysicsTask.load("cartpole", ["planner.samples=64", "planner.iterations=4"])
    simulator = wm.MujocoSimulator(wm.load_scene(task.scene))
    simulator.reset(seed=0)
    model = wm.PhysicsModel(task.physics, simulator.scene)  # MuJoCo with a time step of 10 ms
    planner = wm.PLANNERS.build(task.planner, where="planner")
    costs = wm.build_costs(task.costs, where="costs")
    mpc = wm.RecedingHorizon(task.mpc, planner, model, costs, seed=0)

    for tick in range(STEPS):
        state = model.encode(simulator.truth())
        goal = {"tip_position": simulator.goal_position}  # m
        decision = mpc.tick(state, wm.Context(goal=goal), tick)
        result = simulator.step(decision.actions[0].astype(float))  # (1,), the force on the cart in N
        if tick % 5 == 0:
            force = decision.actions[0, 0]
            print(f"{0.04 * tick:4.2f} s: force {force:+6.2f} N, {result.distance:.2f} m from upright")
    print(f"the tip of the pole is {100 * simulator.distance:.1f} cm from upright")
    simulator.close()


if __name__ == "__main__":
    main()
