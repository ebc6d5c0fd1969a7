import numpy as np
import pytest

from wm_planner.errors import ShapeError
from wm_planner.simulation.base import load_scene
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.world_models.base import Observation
from wm_planner.world_models.physics import PhysicsModel


@pytest.fixture(scope="module")
def simulator():
    simulator = MujocoSimulator(load_scene("sim/panda_reach_wall.py"))
    yield simulator
    simulator.close()


def physics(simulator, timestep, threads=1):
    scene = simulator.scene
    return PhysicsModel(
        simulator.model, simulator.control, scene.action, scene.control_dt_s, timestep, threads
    )


def actions(count, horizon):
    return np.random.default_rng(0).uniform(-0.05, 0.05, (count, horizon, 3)).astype(np.float32)


def test_imagined_physics_is_the_simulators_to_the_bit(simulator):
    simulator.reset(seed=2)
    model = physics(simulator, simulator.model.opt.timestep)
    plan = actions(1, 6)
    imagined = model.rollout(model.encode(simulator.truth()), plan).states["tcp_position"][0]
    for step, action in enumerate(plan[0]):
        q = simulator.observe().state["joint_positions"]
        simulator.step(simulator.control.command(q, action.astype(float)))
        np.testing.assert_allclose(imagined[step], simulator.tcp_position, atol=1e-9)


def test_candidates_do_not_disturb_each_other(simulator):
    simulator.reset(seed=2)
    model = physics(simulator, 0.004, threads=2)
    latent = model.encode(simulator.truth())
    plans = actions(5, 3)
    together = model.rollout(latent, plans).states["tcp_position"]
    for plan, positions in zip(plans, together, strict=True):
        np.testing.assert_array_equal(model.rollout(latent, plan[None]).states["tcp_position"][0], positions)


def test_a_coarser_time_step_stays_close(simulator):
    simulator.reset(seed=4)
    fine, coarse = physics(simulator, 0.002), physics(simulator, 0.005)
    plans = actions(8, 5)
    ends = [
        m.rollout(m.encode(simulator.truth()), plans).states["tcp_position"][:, -1] for m in (fine, coarse)
    ]
    assert np.linalg.norm(ends[0] - ends[1], axis=-1).max() < 0.01


def test_the_simulators_own_model_keeps_its_time_step(simulator):
    before = simulator.model.opt.timestep
    physics(simulator, 0.01)
    assert simulator.model.opt.timestep == before


def test_an_observation_without_the_truth_is_refused(simulator):
    with pytest.raises(ShapeError, match="pass the truth"):
        physics(simulator, 0.004).encode(Observation(images={}))


def test_every_candidate_may_start_from_its_own_state(simulator):
    model = physics(simulator, 0.004)
    latents = []
    for seed in (2, 3):
        simulator.reset(seed=seed)
        latents.append(model.encode(simulator.truth()))
    both = {name: np.concatenate([latent[name] for latent in latents]) for name in latents[0]}
    plans = actions(2, 3)
    together = model.rollout(both, plans).states["tcp_position"]
    for latent, plan, positions in zip(latents, plans, together, strict=True):
        np.testing.assert_array_equal(model.rollout(latent, plan[None]).states["tcp_position"][0], positions)
