"""PDM's score: thresholds by hand, and the proposals of a batch against each alone."""

import numpy as np
import pytest
from small_roads import DT, others, road_context, straight, trajectories

from wm_planner.driving.geometry.compiled import numpy_only
from wm_planner.driving.metrics.pdm import WEIGHTS, max_run_sum, pdm_score, shared_metrics

HERE = road_context()
INSIDE = road_context(inside=(1, 2))


def scored(*states, among=None, where=HERE):
    return pdm_score(trajectories(*states), among or others(), where)


def test_the_best_proposal_has_full_marks_and_others_their_share():
    found = scored(straight(v=10.0), straight(v=5.0))
    np.testing.assert_allclose(found.progress, [1.0, 0.5])
    np.testing.assert_allclose(found.score, [1.0, (5 * 0.5 + 5 + 2) / 12])


def test_the_score_is_the_multipliers_times_the_weighted_mean():
    found = scored(straight(), straight(y=5.5, v=3.0), straight(v=8.0), among=others(straight(x=41.0, v=0.0)))
    rules = found.no_at_fault_collisions * found.drivable_area * found.driving_direction
    mean = sum(weight * getattr(found, name) for name, weight in WEIGHTS.items()) / 12
    np.testing.assert_allclose(found.score, rules * mean)
    assert found.no_at_fault_collisions.tolist() == [0, 1, 0]


def test_progress_is_measured_by_what_keeps_the_rules():
    """The quicker one hits somebody, so that the slower one is the best."""
    found = scored(straight(v=10.0), straight(v=5.0), among=others(straight(x=45.0, v=0.0)))
    np.testing.assert_allclose(found.progress, [0.0, 1.0])


@pytest.mark.parametrize(("way", "shares"), [(0.099, [1.0, 1.0]), (0.101, [1.0, 0.0])])
def test_if_none_gains_ten_centimetres_all_have_made_progress(way, shares):
    found = scored(straight(v=way / 4), straight(v=0.0))
    np.testing.assert_allclose(found.progress, shares)


def test_then_who_breaks_a_rule_has_not():
    found = scored(straight(v=0.0), straight(v=0.0, y=-5.0))
    np.testing.assert_allclose(found.progress, [1.0, 0.0])


@pytest.mark.parametrize(("way", "score"), [(1.99, 1.0), (2.01, 0.5), (5.99, 0.5), (6.01, 0.0)])
def test_two_and_six_metres_off_the_lanes_of_the_route(way, score):
    aside = straight(y=7.0, v=way / 40 / DT)
    assert scored(aside).driving_direction == score


def test_runs_off_the_route_are_counted_each():
    amounts = np.array([[1.5, 1.5, 0.0, 2.0, 0.0], [0.0, 1.0, 1.0, 1.0, 0.0]])
    assert max_run_sum(amounts).tolist() == [3.0, 3.0]


@pytest.mark.parametrize(("off", "score"), [(-0.01, 1.0), (0.01, 0.0)])
def test_no_corner_may_be_off_the_road(off, score):
    assert scored(straight(y=-0.75 - off)).drivable_area == score


@pytest.mark.parametrize(("kind", "score"), [("car", 0.0), ("pedestrian", 0.0), ("pillar", 0.5)])
def test_objects_cost_half(kind, score):
    ahead = others(straight(x=30.0, v=0.0), straight(x=35.0, v=0.0), kinds=[kind] * 2)
    assert scored(straight(), among=ahead).no_at_fault_collisions == score


def test_who_is_in_the_way_from_the_start_is_passed_over():
    found = scored(straight(), among=others(straight(x=12.0, v=0.0, steps=60)))
    assert found.no_at_fault_collisions == 1 and found.time_to_collision == 1


def test_steps_of_collisions_are_told():
    """Bumper to bumper 18 m: met after 1.8 s, and seen coming 0.9 s before."""
    found = scored(straight(), straight(v=1.0), among=others(straight(x=32.0, v=0.0, steps=60)))
    assert found.collision_step.tolist() == [18, 41]
    assert found.ttc_step.tolist() == [9, 41]


@pytest.mark.parametrize(("gap", "kept"), [(0.89, 0), (0.91, 1)])
def test_nine_tenths_of_a_second_are_looked_ahead(gap, kept):
    """The gap closes by 1 m/s and others are known for no later step."""
    ahead = others(straight(x=14.0 + gap, v=9.0, steps=10))
    assert scored(straight(steps=4), among=ahead).time_to_collision == kept


def test_what_cannot_be_known_is_not_asked():
    ahead = others(straight(x=14.2, v=9.9, steps=9))
    assert scored(straight(steps=4), among=ahead).time_to_collision == 1


@pytest.mark.parametrize(("speed", "asked"), [(0.0049, False), (0.0051, True)])
def test_proposals_that_creep_are_not_asked(speed, asked):
    towards = others(straight(x=16.0, v=-3.0, steps=20))
    found = scored(straight(v=speed, steps=4), among=towards)
    assert found.time_to_collision == (not asked)


@pytest.mark.parametrize(("where", "y", "kept"), [(HERE, 0.0, 1), (HERE, 1.0, 0), (INSIDE, 0.0, 0)])
def test_beside_counts_between_lanes_and_in_intersections(where, y, kept):
    """It comes from the left, into the door."""
    other = straight(x=10.0, y=y + 5.0, v=4.0, yaw=-np.pi / 2, steps=20)
    found = scored(straight(y=y, v=0.5, steps=4), among=others(other), where=where)
    assert found.time_to_collision == kept


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
    return each, others(*there, kinds=["car", "constructionZone", "truck", "pedestrian"])


def test_many_proposals_are_judged_as_each_alone():
    each, among = crowd()
    together = shared_metrics(trajectories(*each), among, HERE)
    for n, one in enumerate(each):
        for mine, its in zip(together, shared_metrics(trajectories(one), among, HERE), strict=True):
            np.testing.assert_array_equal(mine[n], its[0])
    assert 0 < (together.time_to_collision == 0).sum() < len(each)


def test_numpy_and_numba_score_alike():
    each, among = crowd()
    compiled = scored(*each, among=among)
    with numpy_only():
        for name, part in scored(*each, among=among)._asdict().items():
            np.testing.assert_array_equal(part, getattr(compiled, name), err_msg=name)


def one_by_one(state, among, where):
    """Time to collision as it is defined, box by box and step by step."""
    from wm_planner.driving.geometry.boxes import oriented_boxes, overlap
    from wm_planner.driving.metrics.contacts import AHEAD_RAD, BEHIND_RAD, bearings, lateral_conflicts_count

    ego, ignored = trajectories(state), set()
    for t in range(len(state)):
        for later in (0, 3, 6, 9):
            if t + later >= among.steps or abs(state[t, 3]) < 5e-3:
                continue
            moved = state[t].copy()
            moved[:2] += later * DT * state[t, 3] * np.array([np.cos(state[t, 2]), np.sin(state[t, 2])])
            for a in range(len(among.kinds)):
                there = among.states[t + later, a]
                if a in ignored or not overlap(
                    oriented_boxes(moved, [4, 2]), oriented_boxes(there, among.sizes[a])
                ):
                    continue
                bearing = bearings(ego.vehicle.at_rear_axle(state[t]), there[:2])
                wide = lateral_conflicts_count(ego, where, np.array([0]), np.array([t]))[0]
                if bearing < AHEAD_RAD or (wide and bearing <= BEHIND_RAD):
                    return t
                ignored.add(a)
    return len(state)


def test_the_time_to_collision_is_that_of_its_definition():
    each, among = crowd(40, seed=5)
    found = shared_metrics(trajectories(*each), among, HERE).ttc_step
    wanted = [one_by_one(state, among, HERE) for state in each]
    assert found.tolist() == wanted
    assert 5 < sum(step < 41 for step in wanted) < 35
