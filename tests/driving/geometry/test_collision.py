import numpy as np
import pytest
import shapely

from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.geometry.compiled import is_compiled, kernel, numpy_only
from wm_planner.errors import ShapeError

SIZE = np.array([5.2, 2.3])


def traffic(count=30, steps=20, agents=8, seed=0, origin=(0.0, 0.0)):
    """Candidates (N, T, 3) from one start, agents (T, A, 3) around it, and the agents' sizes (A, 2)."""
    rng = np.random.default_rng(seed)
    time = 0.1 * np.arange(steps)
    speed, turn = rng.uniform(4, 12, count), rng.uniform(-0.4, 0.4, count)
    yaw = np.multiply.outer(turn, time)
    chord = np.multiply.outer(speed, time)
    ego = np.stack([chord * np.cos(yaw / 2), chord * np.sin(yaw / 2), yaw], axis=-1) + np.array([*origin, 0])
    first = rng.uniform([-10, -15, -3], [30, 15, 3], (agents, 3)) + np.array([*origin, 0])
    poses = np.repeat(first[None], steps, axis=0)
    poses[..., 0] += np.multiply.outer(time, rng.uniform(-5, 5, agents))
    return ego, poses, rng.uniform([0.5, 0.5], [8, 2.5], (agents, 2))


def by_shapely(ego, agents, sizes):
    """The first collision of each pair."""
    steps = ego.shape[1]
    first = np.full((len(ego), len(sizes)), steps)
    ego_polygons = shapely.polygons(box_corners(oriented_boxes(ego, SIZE)))
    for t in range(steps):
        agent_polygons = shapely.polygons(box_corners(oriented_boxes(agents[t], sizes)))
        touching = shapely.intersects(ego_polygons[:, t, None], agent_polygons)
        first[touching] = np.minimum(first[touching], t)
    return first


@pytest.mark.parametrize("origin", [(0, 0), (-7.0e5, 5.4e6)], ids=["local", "UTM"])
def test_numpy_numba_and_shapely_find_the_same_collisions(origin):
    ego, agents, sizes = traffic(origin=origin)
    first = collision.first_collisions(ego, SIZE, agents, sizes)
    assert is_compiled()
    with numpy_only():
        np.testing.assert_array_equal(collision.first_collisions(ego, SIZE, agents, sizes), first)
    np.testing.assert_array_equal(by_shapely(ego, agents, sizes), first)
    assert 0.05 < (first < 20).mean() < 0.95


def test_the_first_collision_is_the_earliest_over_all_agents():
    ego, agents, sizes = traffic()
    first = collision.first_collisions(ego, SIZE, agents, sizes)
    np.testing.assert_array_equal(collision.first_collision(ego, SIZE, agents, sizes), first.min(axis=1))


def test_agents_may_differ_per_candidate():
    ego, agents, sizes = traffic()
    each = np.repeat(agents[None], len(ego), axis=0)
    each[:, :, 1] += np.arange(len(ego))[:, None, None] * (0.1, 0, 0)
    first = collision.first_collisions(ego, SIZE, each, sizes)
    with numpy_only():
        np.testing.assert_array_equal(collision.first_collisions(ego, SIZE, each, sizes), first)
    for n in (0, 7, 29):
        alone = collision.first_collisions(ego[n : n + 1], SIZE, each[n], sizes)
        np.testing.assert_array_equal(alone[0], first[n])


@pytest.mark.parametrize("numpy", [False, True])
def test_absent_agents_do_not_collide(numpy):
    ego = np.zeros((1, 3, 3))
    agents = np.zeros((3, 2, 3))
    agents[:2, 0] = np.nan
    agents[:, 1] = np.nan
    sizes = np.ones((2, 2))
    if numpy:
        with numpy_only():
            first = collision.first_collisions(ego, SIZE, agents, sizes)
    else:
        first = collision.first_collisions(ego, SIZE, agents, sizes)
    assert first.tolist() == [[2, 3]]


@pytest.mark.parametrize("numpy", [False, True])
def test_without_agents_nothing_collides(numpy):
    arrays = np.zeros((2, 4, 3)), SIZE, np.zeros((4, 0, 3)), np.zeros((0, 2))
    if numpy:
        with numpy_only():
            assert collision.first_collision(*arrays).tolist() == [4, 4]
    else:
        assert collision.first_collision(*arrays).tolist() == [4, 4]


def test_arrays_with_mismatched_shapes_are_named():
    with pytest.raises(ShapeError, match=r"the ego has shape \(2, 4, 3\), agents \(1, 5, 1, 3\)"):
        collision.first_collisions(np.zeros((2, 4, 3)), SIZE, np.zeros((5, 1, 3)), np.ones((1, 2)))


def test_kernels_compile_without_a_writable_cache_folder(monkeypatch):
    """As in a container with a read-only file system."""
    caching = pytest.importorskip("numba.core.caching")
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert kernel(lambda x: 2 * x)(21) == 42
