"""A learned traffic model as costs of a driver."""

from dataclasses import replace

import numpy as np
import pytest

from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs import build_costs
from wm_planner.driving.birdseye.traffic_model_io import IMAGE
from wm_planner.driving.birdseye.view_camera import ViewCamera
from wm_planner.driving.costs.traffic_model import TrafficModel, traffic_model
from wm_planner.driving.generation.random_traffic import random_traffic
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.planners.driver_memory import DriverMemory
from wm_planner.driving.planners.proposal_scoring import ScoringContext
from wm_planner.driving.planners.sampling_driver import CEMDriver
from wm_planner.driving.simulation.simulator import CAMERA, DrivingSimulator
from wm_planner.driving.simulation.view import view_of
from wm_planner.driving.vehicle.vehicle import STEERING
from wm_planner.errors import ConfigError

MODEL = "models/bundles/drive_bev"
H = 40


@pytest.fixture(scope="module")
def simulator():
    return DrivingSimulator(random_traffic(3).scenario, DrivingSimulator.Options(picture=IMAGE))


@pytest.fixture
def view(simulator):
    simulator.reset(0)
    return view_of(simulator)


def straight_rollout(view, accelerations):
    """The rollout and the actions of constant accelerations (N,), straight ahead."""
    commands = np.zeros((len(accelerations), H, 2))
    commands[..., 0] = np.asarray(accelerations)[:, None]
    states = view.vehicle.rollout(view.ego, commands, view.dt)
    named = {"position": states[..., :2], "heading": states[..., 2:3], "speed": states[..., SPEED, None]}
    actions = np.stack([commands[..., 0], states[..., STEERING]], axis=-1)
    return Rollout(named, named), actions


def test_a_view_is_rendered_as_the_simulator_renders_it(simulator, view):
    camera = ViewCamera(IMAGE, view.drive)
    np.testing.assert_array_equal(camera.render_now(view), simulator.observe().images[CAMERA])


def test_the_image_ahead_matches_the_later_observation(simulator, view):
    """For a second all keep their velocity, so few pixels differ."""
    speed = float(view.ego[SPEED])
    camera = ViewCamera(IMAGE, view.drive)
    predicted = camera.render_ahead(view, 1.0, speed, speed).astype(int)
    for _ in range(10):
        s = float(simulator.drive.line.project(simulator.now.ego[:2]).s)
        simulator.follow(simulator.drive.line.poses(s + speed * np.arange(H) * view.dt))
    then = simulator.observe().images[CAMERA].astype(int)
    now = camera.render_now(view).astype(int)
    assert np.abs(then - predicted).mean() < 0.5 * np.abs(then - now).mean()


def test_agents_that_are_not_in_the_scenario_are_rendered(view):
    """A node knows agents from messages only; its scenario has none."""
    bare = replace(view, agents=replace(view.agents, kinds=tuple("truck" for _ in view.agents.kinds)))
    camera = ViewCamera(IMAGE, view.drive)
    np.testing.assert_array_equal(camera.render_now(bare), camera.render_now(view))
    walkers = replace(view, agents=replace(view.agents, kinds=tuple("pedestrian" for _ in bare.agents.kinds)))
    assert (camera.render_now(walkers) != camera.render_now(view)).any()


def test_the_model_rolls_out_at_its_own_time_step(view):
    model = traffic_model(MODEL)
    rollout, actions = straight_rollout(view, [-2.0, 0.0, 1.0])
    imagined = model.rollout(rollout, actions, view)
    assert imagined.latents[model.array].shape[:2] == (3, 10)
    assert not np.allclose(imagined.latents[model.array][0], imagined.latents[model.array][2])


def test_costs_of_one_tick_share_one_rollout(view, monkeypatch):
    costs = build_costs([{"type": "traffic_goal"}, {"type": "traffic_surprise"}], "test")
    model, calls = traffic_model(MODEL), []
    inner = model._model.rollout
    monkeypatch.setattr(model._model, "rollout", lambda *given: calls.append(1) or inner(*given))
    rollout, actions = straight_rollout(view, [-2.0, 0.0])
    memory = DriverMemory()
    memory.observe(view)
    context = Context(domain=ScoringContext(view, H, memory.goal_tracker))
    terms = [each.cost(rollout, actions, context) for each in costs]
    assert len(calls) == 1
    assert all(term.shape == (2,) and np.isfinite(term).all() and (term >= 0).all() for term in terms)
    rollout, actions = straight_rollout(view, [-2.0, 0.0])
    costs[0].cost(rollout, actions, context)
    assert len(calls) == 2


def test_a_driver_uses_the_costs_of_the_model(view):
    search = {"type": "cem", "horizon": H, "samples": 8, "elites": 2, "iterations": 1}
    plain = CEMDriver(CEMDriver.Config(search=search))
    aimed = CEMDriver(CEMDriver.Config(search=search, extra=({"type": "traffic_goal", "weight": 5.0},)))
    plain.plan(view)
    poses = aimed.plan(view)
    assert poses.shape == (H + 1, 3)
    assert "traffic_goal" in aimed.searched.terms and "traffic_goal" not in plain.searched.terms


def test_a_model_with_other_images_is_refused():
    with pytest.raises(
        ConfigError, match=r"takes images front, side of 64x64 pixels.*wanted birdseye of 64x64"
    ):
        TrafficModel("models/bundles/panda_reach_small")
