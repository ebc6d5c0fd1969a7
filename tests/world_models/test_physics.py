import os

import mujoco
import numpy as np
import pytest

from wm_planner import share
from wm_planner.config import convert
from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.control.actuators import ActuatorTargets
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError, ShapeError, SimulationError
from wm_planner.planners import PLANNERS
from wm_planner.planners.problem import Problem
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import load_scene
from wm_planner.world_models.physics.model import PhysicsModel
from wm_planner.world_models.physics.planning_model import PlanningModel, compile_planning_model

SCENES = [f"sim/{name}" for name in share.listing("sim", ".py")]


@pytest.fixture(scope="module", params=SCENES)
def simulator(request):
    simulator = MujocoSimulator(load_scene(request.param))
    yield simulator
    simulator.close()


@pytest.fixture(scope="module")
def push():
    simulator = MujocoSimulator(load_scene("sim/panda_push.py"))
    yield simulator
    simulator.close()


def physics(simulator, threads=1, **planning_model):
    changes = PlanningModel(**planning_model)
    return PhysicsModel(PhysicsModel.Config(planning_model=changes, threads=threads), simulator.scene)


def actions(simulator, count, horizon):
    spec = simulator.scene.action
    shape = (count, horizon, len(spec.names))
    return np.random.default_rng(0).uniform(spec.low, spec.high, shape).astype(np.float32)


def test_imagined_physics_matches_the_simulator(simulator):
    simulator.reset(seed=2)
    model = physics(simulator)
    plan = actions(simulator, 1, 6)
    imagined = model.rollout(model.encode(simulator.truth()), plan)
    for step, action in enumerate(plan[0]):
        q = simulator.observe().state["joint_positions"]
        simulator.step(simulator.control.command(q, action.astype(float)))
        truth = model.encode(simulator.truth())
        for name, values in truth.items():
            np.testing.assert_allclose(imagined.latents[name][:, step], values, atol=1e-8)
    assert imagined.states[f"{simulator.scene.point}_position"].shape == (1, 6, 3)


def test_batched_rollouts_are_bitwise_equal_to_stepping_one_by_one(simulator):
    simulator.reset(seed=2)
    model = physics(simulator, threads=2)
    latent = model.encode(simulator.truth())
    plans = actions(simulator, 5, 3)
    together = model.rollout(latent, plans)
    control, data = simulator.control, mujoco.MjData(model.model)
    kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
    substeps = round(simulator.scene.control_dt_s / model.model.opt.timestep)
    adr = [int(model.model.joint(name).qposadr[0]) for name in control.joints]
    for plan, states in zip(plans.astype(float), together.latents["physics"], strict=True):
        mujoco.mj_setState(model.model, data, latent["physics"][0], kind)
        held, state = latent["control"][0], np.empty(states.shape[-1])
        for action, imagined in zip(plan, states, strict=True):
            if control.depends_on_posture:
                data.qacc_warmstart[:] = 0  # each control period is a separate call
            end = control.command(data.qpos[adr][None, None], action[None, None])[0, 0]
            for targets in control.interpolate(held, end, substeps):
                data.ctrl[:] = targets
                mujoco.mj_step(model.model, data)
            held = targets
            mujoco.mj_getState(model.model, data, state, kind)
            np.testing.assert_array_equal(state, imagined)


def test_the_number_of_threads_does_not_change_a_bit(push):
    push.reset(seed=2)
    plans = actions(push, 7, 3)
    one, two = (physics(push, threads) for threads in (1, 2))
    for name, values in one.rollout(one.encode(push.truth()), plans).latents.items():
        np.testing.assert_array_equal(two.rollout(two.encode(push.truth()), plans).latents[name], values)


def test_there_are_never_more_threads_than_cores(push):
    assert len(physics(push, threads=500)._data) == len(os.sched_getaffinity(0))


def test_a_step_is_a_rollout_of_one_step(push):
    push.reset(seed=2)
    model = physics(push)
    latent, plans = model.encode(push.truth()), actions(push, 1, 2)
    once, _ = model.step(latent, plans[:, 0])
    twice, _ = model.step(once, plans[:, 1])
    whole = model.rollout(latent, plans)
    assert list(once) == [spec.name for spec in model.card.latents]
    for name, values in twice.items():
        np.testing.assert_array_equal(values, whole.latents[name][:, 1])


def test_every_candidate_may_start_from_its_own_state(push):
    push.reset(seed=2)
    model = physics(push)
    latent, plans = model.encode(push.truth()), actions(push, 2, 2)
    after, _ = model.step(latent, plans[:1, 0])
    both = {name: np.concatenate([latent[name], after[name]]) for name in latent}
    together = model.rollout(both, plans)
    for index, start in enumerate((latent, after)):
        alone = model.rollout(start, plans[index : index + 1])
        np.testing.assert_array_equal(together.latents["physics"][index], alone.latents["physics"][0])


def test_a_coarser_time_step_stays_close_to_the_finer_one(push):
    push.reset(seed=2)
    plan = actions(push, 1, 4)
    fine, coarse = physics(push), physics(push, timestep_s=0.01, ik_iterations=2)
    ends = [m.rollout(m.encode(push.truth()), plan).states["tcp_position"] for m in (fine, coarse)]
    assert 0 < np.linalg.norm(ends[0] - ends[1], axis=-1).max() < 0.01
    assert coarse.card.about.endswith("steps of 10 ms, 2 iterations of IK")


def test_a_time_step_that_does_not_divide_the_period_is_refused(push):
    with pytest.raises(
        ConfigError, match=r"timestep_s is 0.03, but the control period of panda_push is 0.2 s"
    ):
        physics(push, timestep_s=0.03)


def test_the_state_of_another_scene_is_refused(push):
    model = physics(push)
    with pytest.raises(ShapeError, match="needs 'physics' in the state; pass the simulator's truth"):
        model.encode(Observation({}, {}))
    with pytest.raises(ShapeError, match=r"shape \(3,\), physics of panda_push wants"):
        model.encode(Observation({}, {"physics": np.zeros(3), "control": np.zeros(7)}))


def test_costs_may_require_the_points_of_the_scene(push):
    offers = physics(push).card.offers
    assert {"state:tcp_position", "state:block_position"} <= offers


@pytest.fixture
def cartpole(tmp_path, monkeypatch):
    """A simulator in its initial state, with an empty working directory."""
    simulator = MujocoSimulator(load_scene("sim/cartpole.py"))
    simulator.reset(seed=0)
    monkeypatch.chdir(tmp_path)
    yield simulator
    simulator.close()


def spun(latent, speed):
    """The latent with the pole spinning at `speed`, in rad/s; the state is time, positions, velocities."""
    physics = latent["physics"].copy()
    physics[0, -1] = speed
    return {**latent, "physics": physics}


@pytest.mark.parametrize("speed", [1e4, 1e11, np.nan])
def test_diverged_rollouts_are_nan_and_never_chosen(cartpole, tmp_path, capfd, speed):
    model = physics(cartpole, threads=2, timestep_s=0.01)
    start = spun(model.encode(cartpole.truth()), speed)
    rollout = model.rollout(start, actions(cartpole, 4, 6))
    assert np.isnan(rollout.latents["physics"][:, 2:]).all()
    assert np.isnan(rollout.states["tip_position"][:, 2:]).all()
    costs, goal = (
        build_costs([{"type": "state_goal", "state": "tip_position"}], "costs"),
        cartpole.goal_position,
    )
    problem = Problem(model, start, costs, Context(goal={"tip_position": goal}))
    plan = PLANNERS.build({"type": "cem", "horizon": 6}, "test").plan(problem, rng=np.random.default_rng(0))
    assert (plan.cost, plan.not_finite) == (np.inf, plan.evaluations)
    assert not list(tmp_path.iterdir()) and capfd.readouterr() == ("", "")


def test_a_diverged_candidate_does_not_affect_the_others(cartpole):
    model = physics(cartpole)
    calm = model.encode(cartpole.truth())
    both = {name: np.concatenate([calm[name], spun(calm, 1e11)[name]]) for name in calm}
    plans = actions(cartpole, 2, 3)
    together, alone = model.rollout(both, plans), model.rollout(calm, plans[:1])
    np.testing.assert_array_equal(together.latents["physics"][:1], alone.latents["physics"])
    assert np.isnan(together.latents["physics"][1]).all()


def test_a_nan_action_makes_the_rest_of_its_rollout_nan(cartpole):
    model = physics(cartpole)
    plans = actions(cartpole, 2, 3)
    plans[1, 1] = np.nan
    imagined = model.rollout(model.encode(cartpole.truth()), plans).latents["physics"]
    assert np.isfinite(imagined[0]).all() and np.isfinite(imagined[1, 0]).all()
    assert np.isnan(imagined[1, 1:]).all()


def test_a_state_that_is_not_finite_is_refused(cartpole):
    truth = cartpole.truth()
    broken = {name: np.full_like(values, np.nan) for name, values in truth.state.items()}
    with pytest.raises(ShapeError, match="physics has non-finite values: the physics diverged"):
        physics(cartpole).encode(Observation({}, broken))


ROBOT = """
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <geom name="floor" type="plane" size="1 1 1"/>
    <body name="base" pos="0 0 1">
      <geom name="trunk" size="0.1" pos="0.15 0 0.2"/>
      <body>
        <joint name="shoulder" axis="0 1 0" frictionloss="0.5"/>
        <geom name="bone" type="capsule" fromto="0 0 0 0.5 0 0" size="0.03"/>
        <geom name="paint" type="box" size="0.05 0.05 0.05" contype="0" conaffinity="0" mass="0"/>
        <body name="lower" pos="0.5 0 0">
          <joint name="elbow" axis="0 1 0"/>
          <geom name="fist" size="0.12" pos="-0.3 0 0.15"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="shoulder" ctrlrange="-1 1"/>
    <motor joint="elbow" ctrlrange="-1 1"/>
  </actuator>
  <sensor><jointpos name="seen" joint="elbow"/></sensor>
</mujoco>
"""


@pytest.fixture
def robot(tmp_path):
    """Compiles a small robot, whose fist penetrates its trunk, as a planning model."""
    file = tmp_path / "robot.xml"
    file.write_text(ROBOT)

    def compiled(points=("lower",), **changes):
        return compile_planning_model(file, PlanningModel(**changes), points)

    return compiled


def contacts(model):
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return data.ncon


def test_without_changes_the_model_is_the_scene_plus_a_sensor(robot):
    model, plain = robot(), mujoco.MjModel.from_xml_string(ROBOT)
    assert contacts(model) == contacts(plain) == 1
    assert model.nsensor == plain.nsensor + 1
    assert PlanningModel().summary == "as it is"
    assert PlanningModel(ik_iterations=1).summary == "1 iteration of IK"
    assert PlanningModel(ik_iterations=2).summary == "2 iterations of IK"


def test_dropping_self_collision_keeps_contacts_with_the_floor(robot):
    model = robot(drop=("self_collision",))
    assert contacts(model) == 0
    data = mujoco.MjData(model)
    data.qpos[0] = np.pi / 2  # hanging: the bone reaches the floor
    model.body("base").pos[2] = 0.4
    mujoco.mj_forward(model, data)
    assert data.ncon >= 1


@pytest.mark.parametrize("name", ["fist", "lower", "trunk"])
def test_no_contact_disables_the_contacts_of_a_geom_or_body(robot, name):
    assert contacts(robot(no_contact=(name,))) == 0


def test_sensors_joint_friction_and_visuals_can_be_dropped(robot):
    model = robot(drop=("sensors", "joint_friction", "visuals"), timestep_s=0.02)
    names = [model.geom(i).name for i in range(model.ngeom)]
    assert model.nsensor == 1
    assert not model.dof_frictionloss.any()
    assert names == ["floor", "trunk", "bone", "fist"]
    assert model.opt.timestep == 0.02
    np.testing.assert_allclose(model.body_mass, robot().body_mass)


def test_unknown_names_are_reported_with_the_closest_one(robot):
    with pytest.raises(ConfigError, match=r"no geom or body 'fits', did you mean 'fist'"):
        robot(no_contact=("fits",))
    with pytest.raises(SimulationError, match=r"no site or body 'lover', did you mean 'lower'"):
        robot(points=("lover",))
    with pytest.raises(ConfigError, match=r"drop\[0\].*did you mean 'self_collision'"):
        convert({"drop": ["self_colision"]}, PlanningModel, "planning_model")


def test_changes_are_cumulative(robot):
    changes = PlanningModel(drop=("sensors", "self_collision"), no_contact=("fist",), timestep_s=0.02)
    assert [step.summary for step in changes.cumulative()] == [
        "as it is",
        "without sensors",
        "without sensors, without self collision",
        "without sensors, without self collision, no contact of fist",
        "steps of 20 ms, without sensors, without self collision, no contact of fist",
    ]


def test_actuators_that_move_no_joint_are_refused():
    unlimited = mujoco.MjModel.from_xml_string(ROBOT.replace(' ctrlrange="-1 1"', "", 1))
    with pytest.raises(SimulationError, match="must move a joint and have a ctrlrange"):
        ActuatorTargets.of(unlimited)


def test_a_cartpole_has_no_inverse_kinematics():
    with pytest.raises(ConfigError, match="ik_iterations is 2"):
        config = PhysicsModel.Config(planning_model=PlanningModel(ik_iterations=2))
        PhysicsModel(config, load_scene("sim/cartpole.py"))
