"""PDM's score: hand-made cases at each threshold, and a batch against its proposals one by one."""

import numpy as np
import pytest
from small_roads import DT, obstacles, road_context, straight, trajectories

from wm_planner.driving.geometry.compiled import numpy_only
from wm_planner.driving.metrics.pdm import WEIGHTS, max_run_sum, pdm_score, shared_metrics

ROAD = road_context()
INTERSECTION = road_context(inside=(1, 2))


def scored(*states, boxes=None, context=ROAD):
    return pdm_score(trajectories(*states), boxes or obstacles(), context)


def test_progress_is_relative_to_the_best_proposal():
    scores = scored(straight(v=10.0), straight(v=5.0))
    np.testing.assert_allclose(scores.progress, [1.0, 0.5])
    np.testing.assert_allclose(scores.score, [1.0, (5 * 0.5 + 5 + 2) / 12])


def test_the_score_is_the_multipliers_times_the_weighted_mean():
    scores = scored(
        straight(), straight(y=5.5, v=3.0), straight(v=8.0), boxes=obstacles(straight(x=41.0, v=0.0))
    )
    rules = scores.no_at_fault_collisions * scores.drivable_area * scores.driving_direction
    mean = sum(weight * getattr(scores, name) for name, weight in WEIGHTS.items()) / 12
    np.testing.assert_allclose(scores.score, rules * mean)
    assert scores.no_at_fault_collisions.tolist() == [0, 1, 0]


def test_proposals_that_break_a_rule_do_not_set_the_reference_progress():
    """The faster one collides, so the slower one is the reference."""
    scores = scored(straight(v=10.0), straight(v=5.0), boxes=obstacles(straight(x=45.0, v=0.0)))
    np.testing.assert_allclose(scores.progress, [0.0, 1.0])


@pytest.mark.parametrize(("distance", "progress"), [(0.099, [1.0, 1.0]), (0.101, [1.0, 0.0])])
def test_if_no_proposal_moves_ten_centimetres_all_have_full_progress(distance, progress):
    scores = scored(straight(v=distance / 4), straight(v=0.0))
    np.testing.assert_allclose(scores.progress, progress)


def test_full_progress_requires_rule_compliance():
    scores = scored(straight(v=0.0), straight(v=0.0, y=-5.0))
    np.testing.assert_allclose(scores.progress, [1.0, 0.0])


@pytest.mark.parametrize(("distance", "score"), [(1.99, 1.0), (2.01, 0.5), (5.99, 0.5), (6.01, 0.0)])
def test_driving_2_and_6_m_off_the_routes_lanes(distance, score):
    off_route = straight(y=7.0, v=distance / 40 / DT)
    assert scored(off_route).driving_direction == score


def test_runs_off_the_route_count_separately():
    amounts = np.array([[1.5, 1.5, 0.0, 2.0, 0.0], [0.0, 1.0, 1.0, 1.0, 0.0]])
    assert max_run_sum(amounts).tolist() == [3.0, 3.0]


@pytest.mark.parametrize(("off", "score"), [(-0.01, 1.0), (0.01, 0.0)])
def test_no_corner_may_be_outside(off, score):
    assert scored(straight(y=-0.75 - off)).drivable_area == score


@pytest.mark.parametrize(("kind", "score"), [("car", 0.0), ("pedestrian", 0.0), ("pillar", 0.5)])
def test_objects_halve_the_score(kind, score):
    ahead = obstacles(straight(x=30.0, v=0.0), straight(x=35.0, v=0.0), kinds=[kind] * 2)
    assert scored(straight(), boxes=ahead).no_at_fault_collisions == score


def test_obstacles_touched_at_the_start_are_ignored():
    scores = scored(straight(), boxes=obstacles(straight(x=12.0, v=0.0, steps=60)))
    assert scores.no_at_fault_collisions == 1 and scores.time_to_collision == 1


def test_steps_of_collision_and_ttc_violation():
    """A bumper-to-bumper gap of 18 m: contact after 1.8 s, foreseen 0.9 s before."""
    scores = scored(straight(), straight(v=1.0), boxes=obstacles(straight(x=32.0, v=0.0, steps=60)))
    assert scores.collision_step.tolist() == [18, 41]
    assert scores.ttc_step.tolist() == [9, 41]


@pytest.mark.parametrize(("gap", "expected"), [(0.89, 0), (0.91, 1)])
def test_the_ttc_lookahead_is_nine_tenths_of_a_second(gap, expected):
    """The gap closes at 1 m/s; the forecast ends after the last step that is needed."""
    ahead = obstacles(straight(x=14.0 + gap, v=9.0, steps=10))
    assert scored(straight(steps=4), boxes=ahead).time_to_collision == expected


def test_the_ttc_is_not_evaluated_beyond_the_forecast():
    ahead = obstacles(straight(x=14.2, v=9.9, steps=9))
    assert scored(straight(steps=4), boxes=ahead).time_to_collision == 1


@pytest.mark.parametrize(("speed", "counts"), [(0.0049, False), (0.0051, True)])
def test_standing_proposals_have_no_ttc_violation(speed, counts):
    towards = obstacles(straight(x=16.0, v=-3.0, steps=20))
    scores = scored(straight(v=speed, steps=4), boxes=towards)
    assert scores.time_to_collision == (not counts)


@pytest.mark.parametrize(
    ("context", "y", "expected"), [(ROAD, 0.0, 1), (ROAD, 1.0, 0), (INTERSECTION, 0.0, 0)]
)
def test_lateral_tracks_count_in_several_lanes_and_in_intersections(context, y, expected):
    """The other car comes from the left into the ego's door."""
    other = straight(x=10.0, y=y + 5.0, v=4.0, yaw=-np.pi / 2, steps=20)
    scores = scored(straight(y=y, v=0.5, steps=4), boxes=obstacles(other), context=context)
    assert scores.time_to_collision == expected


def crowd(count=24, seed=3):
    rng = np.random.default_rng(seed)
    each = [
        straight(y=y, v=v, yaw=yaw)
        for y, v, yaw in zip(
            rng.uniform(-1, 5, count), rng.uniform(0, 14, count), rng.normal(0, 0.05, count), strict=True
        )
    ]
    there = [
        straight(x=x, y=y, v=v, steps=50) for x, y, v in ((30, 0, 4), (45, 3.5, 0), (20, 7, -9), (70, 0, 0))
    ]
    return each, obstacles(*there, kinds=["car", "constructionZone", "truck", "pedestrian"])


def test_a_batch_scores_as_each_proposal_alone():
    each, boxes = crowd()
    together = shared_metrics(trajectories(*each), boxes, ROAD)
    for n, one in enumerate(each):
        for batched, single in zip(together, shared_metrics(trajectories(one), boxes, ROAD), strict=True):
            np.testing.assert_array_equal(batched[n], single[0])
    assert 0 < (together.time_to_collision == 0).sum() < len(each)


def test_numpy_and_numba_score_alike():
    each, boxes = crowd()
    compiled = scored(*each, boxes=boxes)
    with numpy_only():
        for name, part in scored(*each, boxes=boxes)._asdict().items():
            np.testing.assert_array_equal(part, getattr(compiled, name), err_msg=name)


def reference_ttc_step(state, boxes, context):
    """The first violation of the time to collision by its definition, box by box and step by step."""
    from wm_planner.driving.geometry.boxes import oriented_boxes, overlap
    from wm_planner.driving.metrics.contacts import AHEAD_RAD, BEHIND_RAD, bearings, is_lateral_relevant

    ego, ignored = trajectories(state), set()
    for t in range(len(state)):
        for lookahead in (0, 3, 6, 9):
            if t + lookahead >= boxes.steps or abs(state[t, 3]) < 5e-3:
                continue
            moved = state[t].copy()
            moved[:2] += lookahead * DT * state[t, 3] * np.array([np.cos(state[t, 2]), np.sin(state[t, 2])])
            for a in range(len(boxes.kinds)):
                box = boxes.states[t + lookahead, a]
                if a in ignored or not overlap(
                    oriented_boxes(moved, [4, 2]), oriented_boxes(box, boxes.sizes[a])
                ):
                    continue
                bearing = bearings(ego.vehicle.at_rear_axle(state[t]), box[:2])
                lateral = is_lateral_relevant(ego, context, np.array([0]), np.array([t]))[0]
                if bearing < AHEAD_RAD or (lateral and bearing <= BEHIND_RAD):
                    return t
                ignored.add(a)
    return len(state)


def test_the_ttc_matches_its_definition():
    each, boxes = crowd(40, seed=5)
    steps = shared_metrics(trajectories(*each), boxes, ROAD).ttc_step
    expected = [reference_ttc_step(state, boxes, ROAD) for state in each]
    assert steps.tolist() == expected
    assert 5 < sum(step < 41 for step in expected) < 35
