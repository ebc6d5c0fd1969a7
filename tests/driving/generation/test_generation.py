"""The scenarios in `sim/` equal their generators' output, and their solutions are valid."""

import subprocess
import sys

import numpy as np
import pytest

from wm_planner import share
from wm_planner.driving.generation import EXAMPLES
from wm_planner.driving.generation.example import DT, EGO_SIZE
from wm_planner.driving.geometry.shapes import Points, Polygon, Rectangle
from wm_planner.driving.scenarios.building import (
    Course,
    Pose,
    drive_along,
    lane,
)
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.writers.commonroad import commonroad_text

BRAKE, ACCELERATE, SIDEWAYS = -4.0, 3.0, 3.5  # m/s^2, limits of an attentive driver
EASY = {"drive_cruise"}  # whose traffic leaves room for a constant speed
GENERATED = {name: make() for name, make in EXAMPLES.items()}

every_example = pytest.mark.parametrize("name", EXAMPLES)


def outline(state: np.ndarray, size: tuple[float, float]) -> Points:
    return Rectangle(state[:2], *size, state[2]).outline


def apart(one: Points, other: Points) -> bool:
    """Whether a line separates two convex outlines."""
    for polygon in (one, other):
        edges = np.roll(polygon, -1, axis=0) - polygon
        normals = np.stack([-edges[:, 1], edges[:, 0]])
        a, b = one @ normals, other @ normals
        if (a.max(axis=0) < b.min(axis=0)).any() or (b.max(axis=0) < a.min(axis=0)).any():
            return True
    return False


def obstacles(scenario, step: int) -> dict[int, Points]:
    """Outlines of agents and obstacles, by id."""
    states, valid = scenario.tracks.at(step)
    boxes = {
        scenario.tracks.ids[row]: outline(states[row], scenario.tracks.sizes[row])
        for row in np.flatnonzero(valid)
    }
    return boxes | {obstacle.id: obstacle.shapes[0].outline for obstacle in scenario.obstacles}


@every_example
def test_the_file_equals_the_generated_scenario(name):
    assert share.find(f"sim/{name}.xml").read_bytes() == commonroad_text(GENERATED[name].scenario)


@every_example
def test_the_file_is_read_without_notes(name):
    assert read_scenario(share.find(f"sim/{name}.xml")).repairs == ()


@every_example
def test_the_solution_starts_at_the_initial_state_and_reaches_the_goal(name):
    scenario, solution = GENERATED[name].scenario, GENERATED[name].solution
    (problem,) = scenario.problems
    assert np.allclose(problem.start.state, solution[0])
    reached = scenario.goal_reached(problem.goals[0], solution, np.arange(len(solution)))
    assert reached.any() and not reached[: len(solution) // 3].any()


@every_example
def test_the_solution_is_free_of_collisions(name):
    scenario, solution = GENERATED[name].scenario, GENERATED[name].solution
    for step, state in enumerate(solution):
        ego = outline(state, EGO_SIZE)
        hit = [identity for identity, other in obstacles(scenario, step).items() if not apart(ego, other)]
        assert not hit, (step, hit)


@every_example
def test_the_solution_stays_on_the_road(name):
    scenario, solution = GENERATED[name].scenario, GENERATED[name].solution
    road = [Polygon(polygon) for polygon in scenario.road.drivable]
    corners = np.array([outline(state, EGO_SIZE) for state in solution])
    on_some = np.any([polygon.contains(corners) for polygon in road], axis=0)
    assert on_some.all(), np.argwhere(~on_some)[:3]


@every_example
def test_the_solution_has_moderate_accelerations_and_keeps_the_limit(name):
    _, _, yaw, v = GENERATED[name].solution.T
    acceleration = np.diff(v) / DT
    assert (acceleration >= BRAKE).all() and (acceleration <= ACCELERATE + 1e-6).all()
    assert (np.abs(np.diff(np.unwrap(yaw)) / DT * v[1:]) <= SIDEWAYS).all()
    limit = min(each.speed_limit for each in GENERATED[name].scenario.road.lanes.values())
    assert v.max() <= limit


@every_example
def test_agents_do_not_collide_with_each_other_or_with_obstacles(name):
    scenario = GENERATED[name].scenario
    for step in range(0, scenario.tracks.steps, 5):
        boxes = list(obstacles(scenario, step).values())
        moving = len(scenario.tracks.ids)
        assert all(apart(boxes[i], boxes[j]) for i in range(moving) for j in range(i + 1, len(boxes)))


@every_example
def test_connected_lanes_are_continuous(name):
    lanes = GENERATED[name].scenario.road.lanes
    for each in lanes.values():
        for after in (lanes[i] for i in each.successors):
            assert np.linalg.norm(each.centre[-1] - after.centre[0]) < 0.01
            assert each.id in after.predecessors
        for side, own, theirs in (
            (each.left_neighbour, "left", "right"),
            (each.right_neighbour, "right", "left"),
        ):
            if side is not None and side.same_direction:
                assert np.allclose(getattr(each, own), getattr(lanes[side.id], theirs), atol=0.002)


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - EASY))
def test_the_ego_has_to_react(name):
    """At constant speed along the solution's path it collides."""
    scenario, solution = GENERATED[name].scenario, GENERATED[name].solution
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(solution[:, :2], axis=0).T))])
    constant = np.minimum(solution[0, 3] * DT * np.arange(len(solution)), s[-1])
    keep = np.concatenate([[True], np.diff(s) > 1e-9])
    x, y, yaw = (np.interp(constant, s[keep], solution[keep, i]) for i in range(3))
    drives = np.stack([x, y, yaw, np.full(len(x), solution[0, 3])], axis=-1)
    hits = [
        step
        for step, state in enumerate(drives)
        if any(not apart(outline(state, EGO_SIZE), other) for other in obstacles(scenario, step).values())
    ]
    assert hits


def test_the_command_writes_every_file(tmp_path):
    command = [sys.executable, "-m", "wm_planner.driving.generation", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(EXAMPLES)


def test_arcs_and_bends_end_at_the_expected_poses():
    arc = Course(Pose(1.0, 2.0, 0.0)).arc(np.pi / 2, 10.0)
    assert np.allclose(arc.end, (11.0, 12.0, np.pi / 2))
    assert np.allclose(Course(Pose(0.0, 0.0, 0.0)).arc(-3 * np.pi / 2, 2.0).end, (-2.0, -2.0, -3 * np.pi / 2))
    assert np.allclose(arc.bend_to(Pose(0.0, 30.0, np.pi)).end, (0.0, 30.0, np.pi), atol=1e-3)
    assert np.allclose(arc.shift(20.0, 3.5).end, (7.5, 32.0, np.pi / 2), atol=1e-3)


def test_a_lane_along_an_arc_has_constant_width():
    wide = lane(1, Course(Pose(0.0, 0.0, 0.3)).straight(10.0).arc(1.0, 20.0), 0.0, 3.0)
    assert np.allclose(np.linalg.norm(wide.left - wide.right, axis=1), 3.0, atol=0.002)
    assert np.allclose(np.linalg.norm(np.diff(wide.centre, axis=0), axis=1).sum(), 30.0, atol=0.05)


def test_the_driven_distance_is_the_integral_of_the_speed():
    states = drive_along(Course(Pose(0.0, 0.0, 0.0)).straight(50.0), [(0, 10), (2, 10), (4, 0)], 61, 0.1)
    assert np.allclose(states[-1], (30.0, 0.0, 0.0, 0.0), atol=1e-3)
    assert np.allclose(np.diff(states[:20, 0]), 1.0)
