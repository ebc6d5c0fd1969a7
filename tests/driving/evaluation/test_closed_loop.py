"""Drives in the closed loop on streets made by hand: how they end, and what all scores say of them."""

from dataclasses import replace

import numpy as np
import pytest
from streets import DT, LIMIT, cars, parked, street

from wm_planner.driving.evaluation import closed_loop
from wm_planner.driving.evaluation.closed_loop import run_drive
from wm_planner.driving.evaluation.commonroad_solutions import solution_of, write_solutions
from wm_planner.driving.evaluation.drive_scores import scores_of
from wm_planner.driving.evaluation.navsim_plans import (
    driven_plans,
    extended_at_constant_velocity,
    scored_plans,
)
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.scenario import Goal
from wm_planner.driving.simulation.simulator import DrivingSimulator


class Keep:
    """Keeps a speed along the route, for plans of `horizon` steps; raises after so many plans."""

    def __init__(self, speed=10.0, horizon=40, fails_after=None):
        self.speed, self.horizon, self.left = speed, horizon, fails_after

    def plan(self, view):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise ZeroDivisionError("no way out")
        s = float(view.path.line.project(view.ego[:2]).s)
        return view.path.line.poses(s + self.speed * DT * np.arange(self.horizon + 1))


def driven(scenario, planner=Keep, agents="replay", **about):
    config = DrivingSimulator.Options(picture=None, agents={"type": agents})
    return run_drive(DrivingSimulator(scenario, config), planner, **about)


def scored(scenario, planner=Keep, agents="replay", **about):
    return scores_of(driven(scenario, planner, agents, **about), "street.xml", 0, "keep", agents)


def test_a_drive_ends_where_the_goal_is_reached():
    found = driven(street(goal_x=30.0))
    assert found.reached
    assert not (found.collided or found.off_road or found.error)
    assert len(found.history.ego) - 1 == len(found.plans) == len(found.cpu_s) == len(found.wall_s)
    assert found.history.poses[-1, 0] == pytest.approx(30.0, abs=1.5)


def test_a_drive_that_does_not_arrive_lasts_as_long_as_its_goal():
    assert len(driven(street(steps=25), lambda: Keep(0.0)).plans) == 25
    assert len(driven(street(steps=10_000), lambda: Keep(0.0), max_duration_s=3.0).plans) == 30


def test_a_goal_without_a_place_is_reached_at_its_last_step():
    scenario = street()
    anywhere = replace(scenario.problems[0], goals=(Goal((0, 20)),))
    found = driven(replace(scenario, problems=(anywhere,)))
    assert found.reached
    assert len(found.plans) == 20


def test_what_a_planner_raises_ends_the_drive_and_is_told():
    found = driven(street(), lambda: Keep(fails_after=3))
    assert found.error == "ZeroDivisionError: no way out"
    assert len(found.plans) == 3
    assert not found.reached
    scores = scored(street(), lambda: Keep(fails_after=3))
    assert scores.error and not scores.nuplan and not scores.conditions


class Says:
    """Plans what it was told to."""

    def __init__(self, plan):
        self.plan = lambda view: plan


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (None, "the plan is 'None', wanted poses of the rear axle, x, y, yaw, (H + 1, 3)"),
        ("left", "the plan is 'left', wanted"),
        (np.zeros((1, 3)), "the plan is an array of shape (1, 3), wanted"),
        (np.zeros((41, 2)), "the plan is an array of shape (41, 2), wanted"),
        (np.full((41, 3), np.nan), "the plan has 123 values that are not finite, wanted"),
    ],
)
def test_what_is_no_plan_ends_the_drive_and_is_told(plan, said):
    found = driven(street(), lambda: Says(plan))
    assert found.error.startswith(f"ShapeError: {said}")
    assert not found.plans and not found.reached


def test_who_cannot_be_made_or_leaves_the_process_ends_the_drive_too():
    assert driven(street(), lambda: Keep(spede=1)).error.startswith("TypeError: ")
    quits = Says(None)
    quits.plan = lambda view: exit(3)
    assert driven(street(), lambda: quits).error == "SystemExit: 3"


def test_a_planner_cannot_change_the_world_that_it_sees():
    class Tamper(Keep):
        def plan(self, view):
            for array in (view.agents.states, view.ego):
                with pytest.raises(ValueError, match="read-only"):
                    array[:] = 0
            return super().plan(view)

    assert driven(street([(60.0, 0, 10.0)], goal_x=30.0), Tamper).reached


def test_a_clean_drive_has_all_there_is_to_have():
    found = scored(street([(60.0, 0, 10.0)], goal_x=80.0), lambda: Keep(10.0))
    assert found.reached and found.valid
    assert found.conditions.keys() == {"start", "no_collision", "on_road", "goal", "feasible"}
    assert found.expert == "idm" and not found.human_filter
    assert found.moving == 1
    assert found.nuplan["no_at_fault_collisions"] == found.nuplan["drivable_area"] == 1.0
    assert 0.2 < found.nuplan["progress"] < 1.0  # 10 m/s where 15 are allowed
    weights = {"progress": 5, "time_to_collision": 5, "speed_limit": 4, "comfort": 2}
    expected = sum(weight * found.nuplan[part] for part, weight in weights.items()) / 16
    assert found.nuplan["score"] == pytest.approx(expected)
    assert found.commonroad["JB1"] == pytest.approx(found.duration_s)
    assert found.epdms["extended_comfort"] == 1.0


def test_a_drive_into_a_parked_car_is_worth_nothing():
    found = scored(street(goal_x=80.0, about={"obstacles": (parked(40.0),)}))
    assert found.collided and not found.reached and not found.valid
    assert found.nuplan["score"] == 0.0 or found.nuplan["no_at_fault_collisions"] < 1
    assert found.pdms["score"] < scored(street(goal_x=80.0)).pdms["score"]


def test_others_that_react_are_judged_as_they_reacted():
    scenario = street([(-40.0, 0, 10.0)])
    replayed, reacting = (scored(scenario, lambda: Keep(0.0), agents) for agents in ("replay", "idm"))
    assert replayed.collided and not reacting.collided
    assert not replayed.conditions["no_collision"] and reacting.conditions["no_collision"]


def test_plans_half_a_second_apart_are_judged():
    found = driven(street(goal_x=30.0))
    others = ObstacleBoxes.from_scenario(found.history.as_scenario(), 0, len(found.history.ego))
    judged = list(scored_plans(found, others))
    assert len(judged) == -(-len(found.plans) // 5)
    assert np.isnan(judged[0][1].extended_comfort[0])
    assert all(extended.extended_comfort[0] in (0.0, 1.0) for _, extended in judged[1:])


def test_plans_tracked_together_are_driven_as_one_by_one():
    found = driven(street(goal_x=30.0))
    steps = range(0, len(found.plans), 5)
    together = list(driven_plans(found, steps))
    for step, states in zip(steps, together, strict=True):
        (alone,) = driven_plans(found, [step])
        np.testing.assert_allclose(states, alone, rtol=0, atol=1e-12)
    assert len({states.tobytes() for states in together}) == len(steps) > 1


@pytest.mark.parametrize("scenario", [replace(street(), dt=0.2), street()])
def test_plans_that_navsim_has_no_score_for_are_not_judged(scenario):
    short = 40 if scenario.dt == 0.2 else 39
    found = scored(scenario, lambda: Keep(horizon=short))
    assert found.plans == 0 and not found.pdms and not found.epdms
    assert found.nuplan


def test_after_the_end_others_go_on_as_they_were():
    others = ObstacleBoxes.from_scenario(street([(20.0, 0, 8.0)], steps=3), 0, 3)
    later = extended_at_constant_velocity(others, DT, 10)
    np.testing.assert_array_equal(later.states[:3], others.states)
    assert later.states[12, 0, 0] == pytest.approx(20.0 + 8.0 * DT * 12)


def test_a_recorded_ego_is_the_measure_and_the_filter():
    slow = cars([(0.0, 0, 10.0)], 60)
    found = scored(street(about={"problems": (), "ego": slow}), lambda: Keep(10.0))
    assert found.expert == "recorded" and found.human_filter
    assert found.nuplan["progress"] == pytest.approx(1.0, abs=0.02)


def test_an_answer_is_the_drive_by_its_centre(tmp_path):
    found = driven(street(goal_x=30.0))
    answer = solution_of(found)
    assert (answer.model, answer.vehicle, answer.cost) == ("KS", 2, "SM1")
    np.testing.assert_allclose(answer.states[:, :2], found.history.poses[:, :2])
    np.testing.assert_allclose(answer.states[:, 3], found.history.ego[:, SPEED])
    path = write_solutions([found], tmp_path / "keep")
    assert path == tmp_path / "keep" / "street.xml"
    assert 'benchmark_id="KS2:SM1:street:2020a"' in path.read_text()


def test_a_vehicle_that_commonroad_has_not_gives_no_answer(tmp_path):
    config = DrivingSimulator.Options(picture=None, vehicle="pacifica")
    found = run_drive(DrivingSimulator(street(goal_x=30.0), config), Keep)
    assert solution_of(found) is None
    assert write_solutions([found], tmp_path) is None
    scores = scores_of(found, "street.xml", 0, "keep", "replay")
    assert scores.valid is None and set(scores.commonroad.values()) == {None}


def test_too_fast_is_seen_by_the_limit():
    assert scored(street(goal_x=90.0), lambda: Keep(LIMIT + 5)).nuplan["speed_limit"] < 1.0


def test_every_drive_has_steps_to_score():
    scenario = street()
    at_once = replace(scenario.problems[0], goals=(Goal((0, 1)),))
    assert len(driven(replace(scenario, problems=(at_once,))).plans) == closed_loop.MIN_STEPS
