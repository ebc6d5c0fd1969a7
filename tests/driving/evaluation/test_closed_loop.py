"""Closed-loop drives on hand-made streets: how they end, and their scores."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, LIMIT, cars, parked, street

from wm_planner.driving.evaluation import closed_loop
from wm_planner.driving.evaluation.closed_loop import run_drive
from wm_planner.driving.evaluation.commonroad_solutions import solution_of, write_solutions
from wm_planner.driving.evaluation.drive_scores import scores_of
from wm_planner.driving.evaluation.navsim_plans import (
    extended_at_constant_velocity,
    scored_plans,
    tracked_plans,
)
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.scenario import Goal
from wm_planner.driving.simulation.simulator import DrivingSimulator


class ConstantSpeed:
    """Keeps a speed along the route; raises after a number of plans."""

    def __init__(self, speed=10.0, horizon=40, fails_after=None):
        self.speed, self.horizon, self.plans_left = speed, horizon, fails_after

    def plan(self, view):
        if self.plans_left is not None:
            self.plans_left -= 1
            if self.plans_left < 0:
                raise ZeroDivisionError("no path found")
        s = float(view.path.line.project(view.ego[:2]).s)
        return view.path.line.poses(s + self.speed * DT * np.arange(self.horizon + 1))


def simulate(scenario, planner=ConstantSpeed, agents="replay", **limits):
    config = DrivingSimulator.Options(picture=None, agents={"type": agents})
    return run_drive(DrivingSimulator(scenario, config), planner, **limits)


def scored(scenario, planner=ConstantSpeed, agents="replay", **limits):
    return scores_of(simulate(scenario, planner, agents, **limits), "street.xml", 0, "constant", agents)


def test_a_drive_ends_when_the_goal_is_reached():
    result = simulate(street(goal_x=30.0))
    assert result.reached
    assert not (result.collided or result.off_road or result.error)
    assert len(result.history.ego) - 1 == len(result.plans) == len(result.cpu_s) == len(result.wall_s)
    assert result.history.poses[-1, 0] == pytest.approx(30.0, abs=1.5)


def test_a_drive_that_does_not_arrive_ends_with_the_goals_time():
    assert len(simulate(street(steps=25), lambda: ConstantSpeed(0.0)).plans) == 25
    assert len(simulate(street(steps=10_000), lambda: ConstantSpeed(0.0), max_duration_s=3.0).plans) == 30


def test_a_goal_without_a_place_is_reached_at_its_last_step():
    scenario = street()
    anywhere = replace(scenario.problems[0], goals=(Goal((0, 20)),))
    result = simulate(replace(scenario, problems=(anywhere,)))
    assert result.reached
    assert len(result.plans) == 20


def test_an_exception_of_the_driver_ends_the_drive_and_is_recorded():
    result = simulate(street(), lambda: ConstantSpeed(fails_after=3))
    assert result.error == "ZeroDivisionError: no path found"
    assert len(result.plans) == 3
    assert not result.reached
    scores = scored(street(), lambda: ConstantSpeed(fails_after=3))
    assert scores.error and not scores.nuplan and not scores.conditions


class Fixed:
    """Always returns the same plan."""

    def __init__(self, plan):
        self.plan = lambda view: plan


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (None, "the plan is 'None', wanted poses of the rear axle, x, y, yaw, (H + 1, 3)"),
        ("left", "the plan is 'left', wanted"),
        (np.zeros((1, 3)), "the plan is an array of shape (1, 3), wanted"),
        (np.zeros((41, 2)), "the plan is an array of shape (41, 2), wanted"),
        (np.full((41, 3), np.nan), "the plan has 123 values that are not finite, wanted"),
    ],
)
def test_an_invalid_plan_ends_the_drive_and_is_recorded(plan, reason):
    result = simulate(street(), lambda: Fixed(plan))
    assert result.error.startswith(f"ShapeError: {reason}")
    assert not result.plans and not result.reached


def test_a_failing_constructor_or_an_exit_ends_the_drive():
    assert simulate(street(), lambda: ConstantSpeed(spede=1)).error.startswith("TypeError: ")
    quits = Fixed(None)
    quits.plan = lambda view: exit(3)
    assert simulate(street(), lambda: quits).error == "SystemExit: 3"


def test_a_driver_cannot_modify_its_view():
    class Tamper(ConstantSpeed):
        def plan(self, view):
            for array in (view.agents.states, view.ego):
                with pytest.raises(ValueError, match="read-only"):
                    array[:] = 0
            return super().plan(view)

    assert simulate(street([(60.0, 0, 10.0)], goal_x=30.0), Tamper).reached


def test_a_flawless_drive_has_all_scores():
    result = scored(street([(60.0, 0, 10.0)], goal_x=80.0), lambda: ConstantSpeed(10.0))
    assert result.reached and result.valid
    assert result.conditions.keys() == {"start", "no_collision", "on_road", "goal", "feasible"}
    assert result.expert == "idm" and not result.human_filter
    assert result.moving == 1
    assert result.nuplan["no_at_fault_collisions"] == result.nuplan["drivable_area"] == 1.0
    assert 0.2 < result.nuplan["progress"] < 1.0  # 10 m/s at a speed limit of 15
    weights = {"progress": 5, "time_to_collision": 5, "speed_limit": 4, "comfort": 2}
    expected = sum(weight * result.nuplan[part] for part, weight in weights.items()) / 16
    assert result.nuplan["score"] == pytest.approx(expected)
    assert result.commonroad["JB1"] == pytest.approx(result.duration_s)
    assert result.epdms["extended_comfort"] == 1.0


def test_a_collision_with_a_parked_car_lowers_every_score():
    result = scored(street(goal_x=80.0, fields={"obstacles": (parked(40.0),)}))
    assert result.collided and not result.reached and not result.valid
    assert result.nuplan["score"] == 0.0 or result.nuplan["no_at_fault_collisions"] < 1
    assert result.pdms["score"] < scored(street(goal_x=80.0)).pdms["score"]


def test_drives_are_scored_among_the_agents_as_they_reacted():
    scenario = street([(-40.0, 0, 10.0)])
    replayed, reactive = (
        scored(scenario, lambda: ConstantSpeed(0.0), agents) for agents in ("replay", "idm")
    )
    assert replayed.collided and not reactive.collided
    assert not replayed.conditions["no_collision"] and reactive.conditions["no_collision"]


def test_plans_are_scored_every_half_second():
    result = simulate(street(goal_x=30.0))
    obstacles = ObstacleBoxes.from_scenario(result.history.as_scenario(), 0, len(result.history.ego))
    scores = list(scored_plans(result, obstacles))
    assert len(scores) == -(-len(result.plans) // 5)
    assert np.isnan(scores[0][1].extended_comfort[0])
    assert all(version_2.extended_comfort[0] in (0.0, 1.0) for _, version_2 in scores[1:])


def test_plans_tracked_as_a_batch_equal_plans_tracked_one_by_one():
    result = simulate(street(goal_x=30.0))
    steps = range(0, len(result.plans), 5)
    together = list(tracked_plans(result, steps))
    for step, states in zip(steps, together, strict=True):
        (alone,) = tracked_plans(result, [step])
        np.testing.assert_allclose(states, alone, rtol=0, atol=1e-12)
    assert len({states.tobytes() for states in together}) == len(steps) > 1


@pytest.mark.parametrize("scenario", [replace(street(), dt=0.2), street()])
def test_plans_that_navsim_does_not_define_are_not_scored(scenario):
    short = 40 if scenario.dt == 0.2 else 39
    result = scored(scenario, lambda: ConstantSpeed(horizon=short))
    assert result.plans == 0 and not result.pdms and not result.epdms
    assert result.nuplan


def test_obstacles_are_extended_at_constant_velocity():
    obstacles = ObstacleBoxes.from_scenario(street([(20.0, 0, 8.0)], steps=3), 0, 3)
    later = extended_at_constant_velocity(obstacles, DT, 10)
    np.testing.assert_array_equal(later.states[:3], obstacles.states)
    assert later.states[12, 0, 0] == pytest.approx(20.0 + 8.0 * DT * 12)


def test_a_recorded_ego_is_the_expert_and_the_human_filter():
    ego = cars([(0.0, 0, 10.0)], 60)
    result = scored(street(fields={"problems": (), "ego": ego}), lambda: ConstantSpeed(10.0))
    assert result.expert == "recorded" and result.human_filter
    assert result.nuplan["progress"] == pytest.approx(1.0, abs=0.02)


def test_a_solution_has_the_states_of_the_box_centre(tmp_path):
    result = simulate(street(goal_x=30.0))
    solution = solution_of(result)
    assert (solution.model, solution.vehicle, solution.cost) == ("KS", 2, "SM1")
    np.testing.assert_allclose(solution.states[:, :2], result.history.poses[:, :2])
    np.testing.assert_allclose(solution.states[:, 3], result.history.ego[:, SPEED])
    path = write_solutions([result], tmp_path / "constant")
    assert path == tmp_path / "constant" / "street.xml"
    assert 'benchmark_id="KS2:SM1:street:2020a"' in path.read_text()


def test_a_vehicle_unknown_to_commonroad_has_no_solution(tmp_path):
    config = DrivingSimulator.Options(picture=None, vehicle="pacifica")
    result = run_drive(DrivingSimulator(street(goal_x=30.0), config), ConstantSpeed)
    assert solution_of(result) is None
    assert write_solutions([result], tmp_path) is None
    scores = scores_of(result, "street.xml", 0, "constant", "replay")
    assert scores.valid is None and set(scores.commonroad.values()) == {None}


def test_speeding_lowers_the_speed_limit_subscore():
    assert scored(street(goal_x=90.0), lambda: ConstantSpeed(LIMIT + 5)).nuplan["speed_limit"] < 1.0


def test_every_drive_has_a_minimum_of_steps():
    scenario = street()
    at_once = replace(scenario.problems[0], goals=(Goal((0, 1)),))
    assert len(simulate(replace(scenario, problems=(at_once,))).plans) == closed_loop.MIN_STEPS
