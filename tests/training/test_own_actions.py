"""A model that plans in codes while its data are continuous: trained, exported, loaded, planned with."""

import numpy as np
import pytest
import torch
from moving_dot import write

from wm_planner.collection.practice import practise
from wm_planner.collection.practice_config import PracticeConfig
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.training.export import export
from wm_planner.training.loop import train
from wm_planner.training.module import TrainableModel
from wm_planner.training.torch_model import TorchWorldModel
from wm_planner.world_models.onnx.model import OnnxWorldModel

MODEL = '''
import torch

from wm_planner.contracts.card import ActionSpec, LatentSpec, ObservationSpec
from wm_planner.training.module import TrainableModel
from wm_planner.training.recipe import TrainingRecipe

TINY = TrainingRecipe(iterations=60, cpu_seconds=60.0, batch=16, clip=3, learning_rate=0.02, warmup=0)
RECIPES = {"tiny": TINY}


def build(recipe, data):
    return Codes(data)


class Codes(TrainableModel):
    """Positions, and how far each of seven codes moves them: to and fro along three axes, and nothing."""

    about = "Codes of displacements."
    action = ActionSpec(names=("code",), units=("",), low=(0.0,), high=(6.0,), choices=7)
    control_dt_s = 0.4
    remembers = True

    def __init__(self, data):
        super().__init__()
        position = data.quantity("tcp_position")
        self.observation = ObservationSpec(state=(position,))
        self.latents = (LatentSpec(name="z", shape=(3,), unit="m"),)
        axes = torch.eye(3)
        self.register_buffer("motions", 0.05 * torch.cat((axes, -axes, torch.zeros(1, 3))), persistent=False)
        self.moves = torch.nn.Parameter(torch.zeros(7, 3))

    def own_action(self, action):
        nearest = (action[..., None, :] - self.motions).square().sum(dim=-1).argmin(dim=-1)
        return nearest[..., None].to(action.dtype)

    def encode(self, images, state, past):
        assert past.last_action.shape[1] == 1
        return {"z": state + 0 * past.last_action}

    def step(self, latent, action):
        return {"z": latent["z"] + self.moves[action[:, 0].to(torch.int64)]}

    def loss(self, batch, progress, generator):
        moved = batch["state"][:, 1:] - batch["state"][:, :-1]
        codes = self.own_action(batch["action"][:, :-1])[..., 0].to(torch.int64)
        error = (self.moves[codes] - moved).square().mean()
        return 1e3 * error, {"error": error}
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained run, its bundle and its model file."""
    folder = tmp_path_factory.mktemp("codes")
    (folder / "codes.py").write_text(MODEL)
    write(folder / "data", seed=0)
    train(folder / "codes.py", [folder / "data"], folder / "run", "tiny", report=lambda progress: None)
    export(folder / "run", folder / "bundle")
    return folder


def plan(model, planner):
    now = model.encode(Observation({}, {"tcp_position": np.zeros(3)}))
    goal = {"z": np.array([[0.1, 0.0, 0.0]], np.float32)}
    costs = build_costs([{"type": "latent_goal", "array": "z"}], "costs")
    mpc = RecedingHorizon(RecedingHorizon.Config(), PLANNERS.build(planner, "planner"), model, costs, seed=0)
    return mpc.tick(now, Context(goal_latent=goal), 0).plan.actions


def test_the_card_says_the_models_own_action_and_period(folder):
    model = OnnxWorldModel.load(folder / "bundle", device="cpu")
    assert (model.card.action.names, model.card.action.choices, model.card.control_dt_s) == (
        ("code",),
        7,
        0.4,
    )
    assert TorchWorldModel.of_run(folder / "run").card.action == model.card.action


@pytest.mark.parametrize("source", ["bundle", "run"])
def test_codes_are_planned_towards_a_goal_of_data_that_are_continuous(folder, source):
    load = {"bundle": lambda: OnnxWorldModel.load(folder / "bundle", device="cpu")}
    model = load.get(source, lambda: TorchWorldModel.of_run(folder / "run"))()
    found = plan(model, {"type": "categorical_cem", "horizon": 2, "samples": 64})
    assert found[:, 0].tolist() == [0, 0]  # twice to the right


def test_a_model_with_its_own_action_must_convert_those_of_its_data():
    class Forgetful(TrainableModel):
        action = ActionSpec(names=("code",), units=("",), low=(0.0,), high=(6.0,), choices=7)
        encode = step = loss = None

    with pytest.raises(ConfigError, match="Forgetful acts in code: override `own_action`"):
        Forgetful().own_action(torch.zeros(1, 3))


def test_a_model_with_its_own_action_cannot_practise(folder, tmp_path):
    config = PracticeConfig(
        model_file=str(folder / "codes.py"), simulator="sim/panda_reach.py", recipe="tiny"
    )
    with pytest.raises(ConfigError, match=r"does not act in the actions of sim/panda_reach.py"):
        practise(config, tmp_path / "run")
