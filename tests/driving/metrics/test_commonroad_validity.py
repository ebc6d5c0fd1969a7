"""Validity of CommonRoad solutions: hand-made cases on either side of each condition."""

import numpy as np
import pytest
from small_roads import DT, recorded, scenario

from wm_planner.driving.generation import EXAMPLES
from wm_planner.driving.geometry.shapes import Circle, Polygon
from wm_planner.driving.metrics.commonroad_validity import validity
from wm_planner.driving.scenarios.tracks import Obstacle
from wm_planner.driving.scenarios.writers.solution import ProblemSolution
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.driving.vehicle.vehicle import BMW_320I
from wm_planner.errors import ShapeError

STEPS = 91
TRIANGLE = np.array([(0.0, 0.5), (-0.5, -0.5), (0.5, -0.5)])


def driven(v=15.5, x=10.0, y=0.0, steps=STEPS):
    """A straight drive to the goal at 150 m, (T, 5): x, y, steering angle, v, yaw."""
    x = x + v * DT * np.arange(steps)
    return np.stack([x, np.full(steps, y), 0 * x, np.full(steps, v), 0 * x], axis=1)


def checked(states, world=None, first=0, **fields):
    world = world or scenario(v=15.0)
    return validity(world, world.problems[0], ProblemSolution(9, "KS", 2, "SM1", states, first, **fields))


def test_a_straight_drive_to_the_goal_is_valid():
    assert checked(driven()).is_valid


@pytest.mark.parametrize(
    ("column", "within", "beyond"), [(0, 0.0995, 0.101), (3, 1.99, 2.01), (4, 0.099, 0.101)]
)
def test_the_start_has_tolerances(column, within, beyond):
    for error, starts in ((within, True), (beyond, False)):
        states = driven(v=15.0)
        states[0, column] += error
        assert checked(states).start == starts


def test_the_first_step_must_be_that_of_the_problem():
    assert not checked(driven(), first=1).start


@pytest.mark.parametrize(("y", "touches"), [(1.8, True), (1.81, False)])
def test_boxes_that_touch_collide(y, touches):
    """Half widths of 0.805 and 1 m."""
    other = np.tile([60.0, y + 0.005, 0.0, 0.0], (STEPS, 1))
    assert checked(driven(), scenario(v=15.0, tracks=recorded(other, 3))).no_collision != touches


@pytest.mark.parametrize("y", [0.5, 3.0])
def test_static_obstacles_of_any_shape_collide(y):
    centre = np.array([60.0, y])
    for shape in (Circle(centre, 0.5), Polygon(centre + TRIANGLE)):
        world = scenario(v=15.0, obstacles=(Obstacle(5, "pillar", (shape,)),))
        assert checked(driven(), world).no_collision == (y > 2)


@pytest.mark.parametrize(("y", "stays"), [(-0.94, True), (-0.95, False)])
def test_the_box_must_stay_on_the_lanes(y, stays):
    states = driven()
    states[5:, 1] = y
    assert checked(states).on_road == stays


@pytest.mark.parametrize(("steps", "reached"), [(88, False), (90, True)])
def test_the_goal_is_reached_within_its_region(steps, reached):
    """The region begins at 145 m, 87.1 steps of 1.55 m ahead."""
    assert checked(driven(steps=steps)).goal == reached


def test_the_goal_must_be_reached_in_time():
    late = driven(v=13.0, steps=140)
    assert not checked(late).goal
    assert checked(late[:101]).goal is False  # 140 m at step 100


def test_a_sideways_jump_is_not_feasible():
    states = driven()
    states[40:, 1] += 0.3
    assert not checked(states).feasible


def test_a_tracked_drive_is_feasible_with_states_at_the_centre():
    """In a bend, states at the rear axle would imply slip."""
    example = EXAMPLES["drive_roundabout"]()
    rear = BMW_320I.at_rear_axle(example.solution)
    first = np.array([*rear[0], 0.0, 0.0])
    states = Tracker(Tracker.Config(), BMW_320I, DT).track(first, rear[None, :, :3])[0]
    states = BMW_320I.at_centre(np.concatenate([first[None], states]))
    solution = ProblemSolution(900, "KS", 2, "SM1", states[:, [0, 1, 5, 3, 2]])
    assert validity(example.scenario, example.scenario.problems[0], solution).is_valid
    shifted = ProblemSolution(900, "KS", 2, "SM1", BMW_320I.at_rear_axle(states)[:, [0, 1, 5, 3, 2]])
    assert not validity(example.scenario, example.scenario.problems[0], shifted).feasible


def test_another_model_is_refused():
    world = scenario()
    solution = ProblemSolution(9, "PM", 2, "JB1", np.zeros((5, 4)))
    with pytest.raises(ShapeError, match="has model PM and 5 states, wanted KS and two or more"):
        validity(world, world.problems[0], solution)
