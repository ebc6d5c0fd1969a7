"""The driving simulator: the simulator contract, driving, images and history."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, cars, parked, street

from wm_planner import share
from wm_planner.config import convert
from wm_planner.contracts.simulator import Simulator
from wm_planner.contracts.task import Scored, objective_of
from wm_planner.driving.birdseye.raster import (
    AGENT,
    EGO,
    LIGHTS,
    BirdsEyeRenderer,
)
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.expert import expert_progress
from wm_planner.driving.metrics.nuplan import closed_loop
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.scenario import PlanningProblem, Start
from wm_planner.driving.simulation.simulator import CAMERA, DrivingSimulator
from wm_planner.errors import ConfigError, PluginError, ShapeError, SimulationError

SMALL = BirdsEyeRenderer.Config(size_px=64, metres_per_px=1.0)


def simulate(scenario, **config):
    return DrivingSimulator(scenario, DrivingSimulator.Options(**{"picture": None, **config}))


def follow_route(simulator, steps, speed=10.0):
    """Follow the route for a number of steps."""
    for _ in range(steps):
        s = float(simulator.drive.line.project(simulator.now.ego[:2]).s)
        result = simulator.follow(simulator.drive.line.poses(s + speed * DT * np.arange(41)))
    return result


def is_colour(picture, colour):
    return (np.abs(picture.astype(int) - colour) < 12).all(axis=-1)


def is_bluish(picture):
    """Pixels of the route, which is blended with the background."""
    return picture[..., 2].astype(int) > picture[..., 0] + 60


@pytest.fixture(params=["replay", "idm"])
def simulator(request):
    scenario = street([(30.0, 0, 8.0), (10.0, 1, 12.0)], rows=2)
    return simulate(scenario, agents={"type": request.param}, picture=SMALL)


def test_the_simulator_implements_the_contract(simulator):
    sim: Simulator = simulator
    observation = sim.reset(seed=0)
    assert set(observation.images) == set(sim.goal.images) == set(sim.scene.cameras)
    for picture in (*observation.images.values(), *sim.goal.images.values()):
        assert picture.shape == (*sim.scene.image_size, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 10
    assert not sim.goal.state
    assert sim.scene.control_dt_s == DT
    assert observation.stamp_ns == 0
    assert sim.step(np.zeros(2)).observation.stamp_ns == 100_000_000


def test_the_same_commands_give_the_same_drive(simulator):
    commands = np.random.default_rng(1).normal(size=(20, 2)) * (1.0, 0.02)
    runs = []
    for _ in range(2):
        simulator.reset(3)
        runs.append([simulator.step(command).observation for command in commands][-1])
    np.testing.assert_array_equal(runs[0].images[CAMERA], runs[1].images[CAMERA])
    for name, values in runs[0].state.items():
        np.testing.assert_array_equal(values, runs[1].state[name])


def test_a_restored_state_continues_identically(simulator):
    follow_route(simulator, 5)
    saved = simulator.save()
    first = follow_route(simulator, 10)
    ended = simulator.history
    simulator.load(saved)
    follow_route(simulator, 3, speed=2.0)
    simulator.load(saved)
    again = follow_route(simulator, 10)
    np.testing.assert_array_equal(first.observation.images[CAMERA], again.observation.images[CAMERA])
    np.testing.assert_array_equal(ended.ego, simulator.history.ego)
    np.testing.assert_array_equal(ended.agents, simulator.history.agents)


def test_the_seed_selects_the_planning_problem():
    scenario = street()
    other = PlanningProblem(2, Start(20.0, 0.0, 0.0, 5.0), scenario.problems[0].goals)
    simulator = simulate(replace(scenario, problems=(*scenario.problems, other)))
    assert simulator.reset(3).state["speed"] == 5.0
    assert simulator.reset(4).state["speed"] == 10.0


def test_the_objective_is_to_arrive_within_the_time_of_the_goal():
    simulator = simulate(street())
    (goal,) = simulator.drive.problem.goals
    assert objective_of(simulator) == Scored(steps=goal.steps[1] - simulator.drive.first_step)


def test_poses_are_followed_to_the_goal():
    simulator = simulate(street(goal_x=60.0))
    assert simulator.distance == pytest.approx(60.0, abs=1.0)
    assert not follow_route(simulator, 58).success
    result = follow_route(simulator, 4)
    assert result.success
    assert result.distance == 0.0
    assert simulator.reached
    np.testing.assert_allclose(simulator.goal_position, [60.0, 0.0, 0.0], atol=1.0)


def test_a_goal_after_a_collision_does_not_count():
    simulator = simulate(street(goal_x=60.0, fields={"obstacles": (parked(30.0),)}))
    infos = [follow_route(simulator, 1).info for _ in range(70)]
    assert any(info["collided"] for info in infos)
    assert infos[-1]["arrived"]
    assert not simulator.reached


def test_a_collision_after_the_goal_does_not_undo_success():
    simulator = simulate(street(goal_x=30.0, fields={"obstacles": (parked(60.0),)}))
    assert follow_route(simulator, 32).success
    result = follow_route(simulator, 30)
    assert any(world.collided for world in simulator.save().trace)
    assert result.success


def test_leaving_the_road_is_reported():
    simulator = simulate(street())
    for _ in range(40):
        result = simulator.step(np.array([0.0, 0.05]))
    assert result.info["off_road"]


def test_reactive_agents_stop_for_an_ego_that_replayed_agents_hit():
    scenario = street([(-40.0, 0, 10.0)], fields={})
    replayed, reactive = simulate(scenario), simulate(scenario, agents={"type": "idm"})
    for simulator in (replayed, reactive):
        for _ in range(90):
            speed = float(simulator.now.ego[3])
            result = simulator.step(np.array([max(-8.0, -speed / DT), 0.0]))
        assert result.observation.state["speed"] == pytest.approx(0.0, abs=1e-9)
    assert replayed.now.failed
    assert not reactive.now.failed


def test_advancing_moves_the_world_in_whole_steps_under_the_last_command():
    simulator, stepped = simulate(street()), simulate(street())
    simulator.command(np.array([1.0, 0.0]))
    for _ in range(14):
        simulator.advance(0.02)
    for _ in range(2):
        stepped.step(np.array([1.0, 0.0]))
    np.testing.assert_array_equal(simulator.now.ego, stepped.now.ego)


@pytest.mark.parametrize("command", [np.zeros(3), np.array([np.nan, 0.0])])
def test_an_invalid_command_is_refused_and_changes_nothing(command):
    simulator = simulate(street())
    with pytest.raises(ShapeError, match=r"wanted two finite numbers: an acceleration .* steering rate"):
        simulator.step(command)
    assert len(simulator.save().trace) == 1


def test_unknown_agents_are_refused_with_a_suggestion():
    with pytest.raises(PluginError, match="did you mean 'replay'"):
        simulate(street(), agents={"type": "replays"})


def test_a_scenario_without_a_problem_is_refused():
    with pytest.raises(SimulationError, match="no planning problem and no recorded ego"):
        simulate(street(fields={"problems": ()}))


def test_without_a_camera_there_are_no_images():
    simulator = simulate(street())
    assert not simulator.observe().images
    assert not simulator.goal.images
    assert simulator.scene.cameras == ()


def test_the_image_shows_ego_agent_route_and_traffic_light():
    scenario = street([(20.0, 0, 10.0)], light=(("red", 300),), rows=2)
    simulator = simulate(scenario, picture=SMALL)
    picture = simulator.observe().images[CAMERA]
    ego = np.argwhere(is_colour(picture, EGO)).mean(axis=0)
    np.testing.assert_allclose(ego, [31.5, 31.5], atol=1.0)  # the middle
    agent = np.argwhere(is_colour(picture, AGENT)).mean(axis=0)
    np.testing.assert_allclose(agent, [11.5, 31.5], atol=1.0)  # 20 m ahead
    assert is_bluish(picture).any()
    follow_route(simulator, 40)
    assert is_colour(simulator.observe().images[CAMERA], LIGHTS["red"]).any()


def test_the_goal_image_shows_the_route_ahead_without_agents():
    simulator = simulate(street([(100.0, 0, 0.0)]), picture=SMALL)
    picture = simulator.goal.images[CAMERA]
    assert is_colour(picture, EGO).any()
    assert is_bluish(picture).any()
    assert not is_colour(picture, AGENT).any()


def test_pedestrians_are_visible():
    walker = replace(street([(15.0, 0, 0.0, "pedestrian")]).tracks, sizes=np.array([[0.5, 0.5]]))
    scenario = street(fields={"tracks": walker})
    picture = (
        simulate(scenario, picture=BirdsEyeRenderer.Config(size_px=64, metres_per_px=0.5))
        .observe()
        .images[CAMERA]
    )
    assert is_colour(picture, (220, 90, 220)).sum() >= 4


def test_the_history_has_ego_and_agents_at_every_step():
    scenario = street([(30.0, 0, 8.0), (10.0, 1, 12.0)], rows=2, steps=15)
    simulator = simulate(scenario)
    follow_route(simulator, 20)
    history = simulator.history
    assert history.ego.shape == (21, 6)
    assert history.agents.shape == (2, 21, 4)
    np.testing.assert_array_equal(history.agents[:, :15], scenario.tracks.states)
    np.testing.assert_array_equal(history.valid, [[True] * 15 + [False] * 6] * 2)
    assert history.poses[0].tolist() == pytest.approx([0.0, 0.0, 0.0, 10.0])


def test_a_history_becomes_a_scenario_with_the_same_steps():
    scenario = street([(30.0, 0, 8.0)], steps=15)
    late = replace(scenario.problems[0], start=Start(0.0, 0.0, 0.0, 10.0, step=4))
    simulator = simulate(replace(scenario, problems=(late,)))
    follow_route(simulator, 6)
    recorded = simulator.history.as_scenario()
    assert recorded.ego.states.shape == (1, 11, 4)
    np.testing.assert_array_equal(recorded.ego.valid[0], [False] * 4 + [True] * 7)
    np.testing.assert_array_equal(recorded.tracks.states[:, 4:11], scenario.tracks.states[:, 4:11])
    np.testing.assert_array_equal(recorded.ego.states[0, 4:], simulator.history.poses)
    again = simulate(replace(recorded, problems=()))
    assert again.drive.first_step == 4


@pytest.mark.parametrize("name", [n for n in share.listing("sim", ".xml") if n.startswith("drive_")])
@pytest.mark.parametrize("agents", ["replay", "idm"])
def test_every_shipped_scenario_runs(name, agents):
    simulator = simulate(read_scenario(share.find(f"sim/{name}")), agents={"type": agents}, picture=SMALL)
    result = follow_route(simulator, 10, speed=float(simulator.now.ego[3]))
    assert all(np.isfinite(values).all() for values in result.observation.state.values())
    assert result.observation.images[CAMERA].std() > 5
    assert not simulator.now.failed


def test_an_unknown_option_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError, match="unknown key 'vehicel', did you mean 'vehicle'"):
        convert({"vehicel": "pacifica"}, DrivingSimulator.Options, "here: ")


def test_the_route_of_a_recorded_ego_can_be_followed():
    scenario = street(fields={"problems": (), "ego": cars([(0.0, 0, 10.0)], 50)})
    simulator = simulate(scenario)
    assert follow_route(simulator, 49).success


def test_a_history_can_be_scored():
    simulator = simulate(street([(40.0, 0, 8.0)]))
    follow_route(simulator, 60, speed=8.0)
    history, road_context = simulator.history, simulator.drive.road_context
    steps = len(history.ego)
    trajectories = EgoTrajectories(history.vehicle.at_centre(history.ego)[None], history.vehicle, DT)
    obstacles = ObstacleBoxes.from_scenario(history.as_scenario(), history.first_step, steps)
    expert = expert_progress(history.scenario, road_context, history.poses[0], steps)
    score = closed_loop(trajectories, obstacles, road_context, expert)
    assert expert.source == "idm"
    assert score.no_at_fault_collisions[0] == score.drivable_area[0] == score.speed_limit[0] == 1.0
    assert 0.5 < score.score[0] < 1.0
