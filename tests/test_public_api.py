"""What the public nouns say to a caller's mistakes: never a library's own traceback."""

import numpy as np
import pytest

import wm_planner as wm
from wm_planner.errors import ConfigError, ShapeError

PICTURE = np.zeros((64, 64, 3), np.uint8)
SEEN = wm.Observation(images={"front": PICTURE, "side": PICTURE})


@pytest.fixture(scope="module")
def model():
    return wm.OnnxWorldModel.load("models/bundles/panda_reach_small", device="cpu")


@pytest.fixture
def mpc(model):
    planner = wm.PLANNERS.build({"type": "icem", "horizon": 2, "samples": 16}, where="planner")
    costs = wm.build_costs([{"type": "latent_goal"}], where="costs")
    return wm.RecedingHorizon(wm.RecedingHorizon.Config(), planner, model, costs, seed=0)


def test_a_latent_in_double_precision_plans_the_same(model, mpc):
    latent = model.encode(SEEN)
    context = wm.Context(goal_latent=latent)
    single = mpc.tick(latent, context, tick_index=0).actions
    mpc.reset(episode_id=0)
    double = mpc.tick({name: array.astype(np.float64) for name, array in latent.items()}, context, 0).actions
    assert np.array_equal(single, double)


def test_what_is_no_latent_is_named(model, mpc):
    latent = model.encode(SEEN)
    with pytest.raises(ShapeError, match="a latent is ndarray, wanted a mapping of names to arrays"):
        mpc.tick(latent["z"], wm.Context(goal_latent=latent), 0)
    with pytest.raises(ConfigError, match="the goal latent is ndarray, wanted a mapping"):
        mpc.tick(latent, wm.Context(goal_latent=latent["z"]), 0)


def test_a_tick_before_the_episode_is_refused(model, mpc):
    latent = model.encode(SEEN)
    with pytest.raises(ConfigError, match="tick_index is -5"):
        mpc.tick(latent, wm.Context(goal_latent=latent), -5)


@pytest.mark.parametrize("seen", [None, {"front": PICTURE}, PICTURE])
def test_what_is_no_observation_is_named(model, seen):
    with pytest.raises(ShapeError, match="wanted an Observation"):
        model.encode(seen)


def test_a_picture_as_a_list_is_an_array(model):
    listed = wm.Observation(images={"front": PICTURE, "side": PICTURE.tolist()})
    with pytest.raises(ShapeError, match="the image of camera 'side' is int64"):
        model.encode(listed)


@pytest.mark.parametrize("spec", [None, "icem", ["icem"]])
def test_a_planner_is_built_from_a_mapping(spec):
    with pytest.raises(ConfigError, match=r"planner: got .*, wanted a mapping, e\.g\. \{type: "):
        wm.PLANNERS.build(spec, where="planner")


@pytest.mark.parametrize("specs", [{"type": "latent_goal"}, ["latent_goal"]])
def test_costs_are_built_from_a_list_of_mappings(specs):
    with pytest.raises(ConfigError, match=r"costs.*wanted a"):
        wm.build_costs(specs, where="costs")


@pytest.mark.parametrize("command", [np.zeros(3), np.full(7, np.nan)])
def test_a_command_that_is_none_is_refused(command):
    simulator = wm.MujocoSimulator(wm.load_scene("sim/panda_reach.py"))
    simulator.reset(0)
    with pytest.raises(ShapeError, match="wanted 7 finite actuator targets"):
        simulator.step(command)
    simulator.close()
