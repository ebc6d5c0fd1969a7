import numpy as np
import pytest

from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.costs import build_costs
from wm_planner.driving.vehicle.bicycle_model import BicycleModel
from wm_planner.errors import ShapeError
from wm_planner.planners.icem import ICEM
from wm_planner.planners.knots import Knots
from wm_planner.planners.problem import Problem


def car(**config):
    return BicycleModel(BicycleModel.Config(**config))


def at(model, position=(0, 0), heading=0.0, speed=0.0):
    return model.encode(Observation({}, {"position": position, "heading": [heading], "speed": [speed]}))


def actions(count=5, horizon=30, seed=0):
    return np.random.default_rng(seed).uniform([-6, -0.5], [3, 0.5], (count, horizon, 2)).astype(np.float32)


def test_a_rollout_equals_consecutive_steps():
    model, plans = car(), actions()
    latent = at(model, (3, -2), 0.7, 4.0)
    imagined = model.rollout(latent, plans).states
    now = {name: np.repeat(array, 5, axis=0) for name, array in latent.items()}
    for step in range(30):
        now, _ = model.step(now, plans[:, step])
        for name, values in now.items():
            np.testing.assert_allclose(imagined[name][:, step], values, atol=2e-4)


def test_constant_steering_drives_a_circle_of_the_kinematic_radius():
    model = car(wheelbase_m=2.5, control_dt_s=0.05)
    steer, speed = 0.3, 5.0
    radius = 2.5 / np.tan(steer)
    steps = round(2 * np.pi * radius / (speed * 0.05))
    plan = np.tile(np.array([0, steer], np.float32), (1, steps, 1))
    states = model.rollout(at(model, speed=speed), plan).states
    distance = np.linalg.norm(states["position"][0] - [0, radius], axis=1)
    np.testing.assert_allclose(distance, radius, rtol=2e-3)
    np.testing.assert_allclose(states["position"][0, -1], [0, 0], atol=0.3)


def test_braking_ends_at_standstill_and_the_car_can_start_again():
    model = car()
    plan = np.zeros((1, 6, 2), np.float32)
    plan[0, :, 0] = [-5, -5, -5, 2, 2, -0.1]
    speed = model.rollout(at(model, speed=0.7), plan).states["speed"][0, :, 0]
    np.testing.assert_allclose(speed, [0.2, 0, 0, 0.2, 0.4, 0.39], atol=1e-6)


def test_every_candidate_may_start_from_its_own_state():
    model, plans = car(), actions(2)
    here, there = at(model, speed=1.0), at(model, (5, 5), 2.0, 8.0)
    both = {name: np.concatenate([here[name], there[name]]) for name in here}
    together = model.rollout(both, plans).states["position"]
    np.testing.assert_array_equal(together[1], model.rollout(there, plans[1:]).states["position"][0])


def test_a_plan_avoids_an_obstacle():
    """A sphere of 2 m radius lies straight ahead; the plan passes it and ends near the goal behind it."""
    model = car()
    costs = build_costs(
        [
            {"type": "state_goal", "state": "position", "mean_weight": 0.0},
            {"type": "keep_out", "state": "position", "spheres": [[10, 0.2, 2]], "limit": {}},
        ],
        "costs",
    )
    goal = Context(goal={"position": np.array([20.0, 0.0])})
    config = ICEM.Config(
        horizon=40, samples=256, elites=24, iterations=10, knots=Knots(count=6), min_std=0.02
    )
    task = Problem(model, at(model, speed=5.0), costs, goal)
    plan = ICEM(config).plan(task, rng=np.random.default_rng(0))
    path = model.rollout(task.latent, plan.actions[None]).states["position"][0]
    assert np.linalg.norm(path - [10, 0.2], axis=1).min() >= 2
    assert np.linalg.norm(path[-1] - [20, 0]) < 1.0
    assert plan.violation == 0


def test_missing_states_are_named():
    with pytest.raises(ShapeError, match=r"needs the state's \['heading', 'speed'\]"):
        car().encode(Observation({}, {"position": np.zeros(2)}))
