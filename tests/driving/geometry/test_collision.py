import numpy as np
import pytest
import shapely

from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.geometry.compiled import is_compiled, kernel, numpy_only
from wm_planner.errors import ShapeError

SIZE = np.array([5.2, 2.3])


def traffic(count=30, steps=20, agents=8, seed=0, origin=(0.0, 0.0)):
    """Candidates (N, T, 3) from one place, agents (T, A, 3) around it, and their sizes."""
    rng = np.random.default_rng(seed)
    time = 0.1 * np.arange(steps)
    speed, turn = rng.uniform(4, 12, count), rng.uniform(-0.4, 0.4, count)
    yaw = np.multiply.outer(turn, time)
    way = np.multiply.outer(speed, time)
    ego = np.stack([way * np.cos(yaw / 2), way * np.sin(yaw / 2), yaw], axis=-1) + np.array([*origin, 0])
    first = rng.uniform([-10, -15, -3], [30, 15, 3], (agents, 3)) + np.array([*origin, 0])
    others = np.repeat(first[None], steps, axis=0)
    others[..., 0] += np.multiply.outer(time, rng.uniform(-5, 5, agents))
    return ego, others, rng.uniform([0.5, 0.5], [8, 2.5], (agents, 2))


def by_shapely(ego, agents, sizes):
    """The first hit of each pair, polygon by polygon."""
    steps = ego.shape[1]
    hits = np.full((len(ego), len(sizes)), steps)
    own = shapely.polygons(box_corners(oriented_boxes(ego, SIZE)))
    for t in range(steps):
        others = shapely.polygons(box_corners(oriented_boxes(agents[t], sizes)))
        touching = shapely.intersects(own[:, t, None], others)
        hits[touching] = np.minimum(hits[touching], t)
    return hits


@pytest.mark.parametrize("origin", [(0, 0), (-7.0e5, 5.4e6)], ids=["here", "in UTM"])
def test_numpy_numba_and_shapely_find_the_same_hits(origin):
    ego, agents, sizes = traffic(origin=origin)
    hits = collision.first_collisions(ego, SIZE, agents, sizes)
    assert is_compiled()
    with numpy_only():
        np.testing.assert_array_equal(collision.first_collisions(ego, SIZE, agents, sizes), hits)
    np.testing.assert_array_equal(by_shapely(ego, agents, sizes), hits)
    assert 0.05 < (hits < 20).mean() < 0.95


def test_the_first_hit_of_all_is_the_least():
    ego, agents, sizes = traffic()
    hits = collision.first_collisions(ego, SIZE, agents, sizes)
    np.testing.assert_array_equal(collision.first_collision(ego, SIZE, agents, sizes), hits.min(axis=1))


def test_agents_may_differ_by_candidate():
    ego, agents, sizes = traffic()
    each = np.repeat(agents[None], len(ego), axis=0)
    each[:, :, 1] += np.arange(len(ego))[:, None, None] * (0.1, 0, 0)
    hits = collision.first_collisions(ego, SIZE, each, sizes)
    with numpy_only():
        np.testing.assert_array_equal(collision.first_collisions(ego, SIZE, each, sizes), hits)
    for n in (0, 7, 29):
        alone = collision.first_collisions(ego[n : n + 1], SIZE, each[n], sizes)
        np.testing.assert_array_equal(alone[0], hits[n])


@pytest.mark.parametrize("numpy", [False, True])
def test_who_is_absent_is_not_hit(numpy):
    ego = np.zeros((1, 3, 3))
    agents = np.zeros((3, 2, 3))
    agents[:2, 0] = np.nan
    agents[:, 1] = np.nan
    sizes = np.ones((2, 2))
    if numpy:
        with numpy_only():
            hits = collision.first_collisions(ego, SIZE, agents, sizes)
    else:
        hits = collision.first_collisions(ego, SIZE, agents, sizes)
    assert hits.tolist() == [[2, 3]]


@pytest.mark.parametrize("numpy", [False, True])
def test_nobody_is_there_to_be_hit(numpy):
    arrays = np.zeros((2, 4, 3)), SIZE, np.zeros((4, 0, 3)), np.zeros((0, 2))
    if numpy:
        with numpy_only():
            assert collision.first_collision(*arrays).tolist() == [4, 4]
    else:
        assert collision.first_collision(*arrays).tolist() == [4, 4]


def test_arrays_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match=r"the ego has shape \(2, 4, 3\), agents \(1, 5, 1, 3\)"):
        collision.first_collisions(np.zeros((2, 4, 3)), SIZE, np.zeros((5, 1, 3)), np.ones((1, 2)))


def test_kernels_are_compiled_where_nothing_can_be_kept(monkeypatch):
    """As in a container whose file system is read-only."""
    caching = pytest.importorskip("numba.core.caching")
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert kernel(lambda x: 2 * x)(21) == 42
