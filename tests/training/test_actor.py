"""Policies trained in imagination: from a bundle or a run to act.onnx."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from point_mass import make_card

from wm_planner.contracts.card import ActionSpec, LatentSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.task import Goal
from wm_planner.errors import BundleError, ConfigError, DatasetError
from wm_planner.training import loop
from wm_planner.training.checkpoint import RunFolder
from wm_planner.training.encoded import EncodedPairs
from wm_planner.training.export import export
from wm_planner.training.imagination import Imagination, Source
from wm_planner.training.loop import train
from wm_planner.training.module import load_model_file
from wm_planner.world_models.onnx.card_file import read_card
from wm_planner.world_models.onnx.model import OnnxWorldModel

torch.set_num_threads(1)
ACTOR = "models/actor.py"
MODEL = {"iterations": 3, "batch": 4, "picture": 16}
TINY = {
    "small": {"encoder.channels": [8], "encoder.latent": 8, "encoder.hidden": 8},
    "tokens": {"encoder.dim": 16, "encoder.heads": 1, "encoder.latent": 4, "encoder.encoder_depth": 1},
}
SHORT = {"iterations": 4, "batch": 8, "horizon": 3, "hidden": 16, "episodes": 6, "ahead": [2, 4]}


def silent(progress):
    """No output in tests."""


@pytest.fixture(scope="module", params=["small", "tokens"])
def model(request, data, tmp_path_factory):
    """A run of a few iterations and its bundle."""
    folder = tmp_path_factory.mktemp(request.param)
    changes = MODEL | TINY[request.param]
    train("models/ac_jepa.py", [data.path], folder / "run", request.param, changes, report=silent)
    export(folder / "run", folder / "bundle")
    return folder / "run", folder / "bundle"


@pytest.fixture(scope="module")
def actor(model, tmp_path_factory):
    """A run of a policy of the bundle, and the bundle with it."""
    folder = tmp_path_factory.mktemp("actor")
    train(ACTOR, [], folder / "run", "small", SHORT, of=str(model[1]), report=silent)
    export(folder / "run", folder / "bundle")
    return folder / "run", folder / "bundle"


def test_the_bundle_is_that_of_the_model_with_a_policy(model, actor):
    before, after = read_card(model[1]), read_card(actor[1])
    assert after.policy.goal
    assert after.graphs.keys() == {"encode", "step", "act"} and after.graphs["act"].max_abs_error <= 1e-4
    assert msgspec.structs.replace(after, name=before.name, policy=None, graphs=before.graphs) == before
    for name in ("encode", "step"):
        assert after.graphs[name] == before.graphs[name]
    training = after.policy.training
    assert training.command[-2].startswith(f"wm train {ACTOR} --recipe small --of {model[1]} --data ")
    assert "--set iterations=4" in training.command[-2]
    assert training.command[-1] == f"wm export {actor[0]} --out {actor[1]}"
    assert training.pretrained == {str(model[1]): before.graphs["step"].sha256}
    assert training.iterations == 4 and training.recipe["horizon"] == 3
    wall_s = RunFolder(actor[0]).position.wall_seconds
    assert wall_s > 0 and training.wall_seconds == round(wall_s, 1)


def test_the_policy_of_the_bundle_acts_within_the_bounds_towards_a_picture(actor, data):
    model = OnnxWorldModel.load(actor[1], device="cpu")
    pictures = [dict(zip(data.meta.cameras, data.images[row], strict=True)) for row in (0, 30)]
    state = {"tcp_position": data.quantity("tcp_position")[0]}
    latent, goal = model.encode(Observation(pictures[0], state)), model.encode(Goal(pictures[1]))
    action = model.act(latent, goal)
    assert action.shape == (1, 3) and np.abs(action).max() <= 0.05
    assert not np.array_equal(action, model.act(latent, latent))
    unrolled, rollout = model.unroll(latent, goal, 4)
    np.testing.assert_allclose(unrolled[0, 0], action[0], atol=1e-6)
    whole = model.rollout(latent, unrolled)
    for name, array in rollout.latents.items():
        np.testing.assert_allclose(array, whole.latents[name], atol=1e-5)


def test_the_imagination_of_a_run_is_that_of_its_bundle(model):
    run, bundle = (Imagination.load(str(path)) for path in model)
    assert run.source.data == bundle.source.data
    rng, generator = np.random.default_rng(0), torch.Generator()
    latent = {
        spec.name: torch.tensor(rng.standard_normal((3, *spec.shape)), dtype=torch.float32)
        for spec in bundle.card.latents
    }
    action = torch.full((3, 3), 0.02, requires_grad=True)
    gradients = []
    for imagination in (run, bundle):
        after, outputs = imagination.step(latent, action, generator)
        assert after.keys() == latent.keys() and not outputs
        total = sum(array.square().sum() for array in after.values())
        gradients.append((float(total.detach()), *torch.autograd.grad(total, action)))
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-4)
    torch.testing.assert_close(gradients[0][1], gradients[1][1], atol=1e-4, rtol=1e-3)


def test_a_policy_of_a_run_brings_the_bundle_of_the_run(model, tmp_path):
    train(ACTOR, [], tmp_path / "run", "small", SHORT, of=str(model[0]), report=silent)
    card = export(tmp_path / "run", tmp_path / "bundle")
    assert card.graphs.keys() == {"encode", "step", "act"}
    OnnxWorldModel.load(tmp_path / "bundle", device="cpu")


def test_an_interrupted_training_resumes_with_the_same_weights(model, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)

    class CutError(Exception):
        pass

    def interrupt(done, total):
        if done == 3:
            raise CutError

    def trained(run, **more):
        where = {"of": str(model[1]), "report": silent, **more}
        train(ACTOR, [], tmp_path / run, "small", SHORT, **where)
        return torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["model"]

    whole = trained("whole")
    with pytest.raises(CutError):
        trained("cut", on_iteration=interrupt)
    resumed = trained("cut")
    for name, array in whole.items():
        torch.testing.assert_close(array, resumed[name], rtol=0, atol=0)
    with pytest.raises(BundleError, match="holds another training run: of"):
        trained("whole", of=str(model[0]))


def test_goals_lie_ahead_in_the_episode_or_anywhere_in_the_data(model, data):
    imagination = Imagination.load(str(model[1]))
    recipe = load_model_file(ACTOR).recipe("small")

    def pairs(**changes):
        recipe_of = msgspec.structs.replace(recipe, episodes=1000, **changes)
        return EncodedPairs([data], recipe_of, imagination)

    name = imagination.card.representation
    encoded = pairs()._encoded[1][name]
    frames = {np.asarray(z).tobytes(): i for i, z in enumerate(encoded)}

    def drawn(encoded):
        batch = encoded.draw_for(None, 200, np.random.default_rng(0))
        kinds = [batch[f"{kind}.{name}"] for kind in ("latent", "goal")]
        return np.array([[frames[z.numpy().tobytes()] for z in arrays] for arrays in kinds])

    starts, goals = drawn(pairs(elsewhere=0.0, ahead=(2, 3)))
    steps = data.meta.steps + 1
    assert (starts // steps == goals // steps).all()
    assert set(goals - starts) == {0, 1, 2, 3}
    assert ((goals - starts >= 2) | (goals % steps == steps - 1)).all()  # or the end of the episode
    starts, goals = drawn(pairs(elsewhere=1.0))
    assert (starts // steps != goals // steps).mean() > 0.8


# --- learning


class Rail(torch.nn.Module):
    """z' = z + a."""

    def __call__(self, feed):
        return {"next.z": feed["z"] + feed["action"], "output.reward": -feed["z"].square().sum(dim=1)}


class Seen:
    """A world model of which only the card is asked."""

    def __init__(self, card):
        self.card = card


def on_rails(**changes):
    card = make_card(capabilities=("reward",), **changes)
    return Imagination(Source("rails", "0", ()), Seen(card), Rail())


@pytest.mark.parametrize("costs", [[{"type": "latent_goal"}], [{"type": "reward", "discount": 0.9}]])
def test_an_actor_learns_to_reach_its_goal_or_to_earn_rewards(costs):
    torch.manual_seed(0)
    file = load_model_file(ACTOR)
    recipe = msgspec.structs.replace(file.recipe("small"), horizon=5, hidden=32, costs=costs)
    actor = file.build(recipe, on_rails())
    assert actor.goal is (costs[0]["type"] == "latent_goal")
    optimizer, generator = torch.optim.Adam(actor.parameters(), lr=3e-3), torch.Generator().manual_seed(0)

    def batch(count):
        return {f"{kind}.z": 2 * torch.randn(count, 2, generator=generator) for kind in ("latent", "goal")}

    actor.prepare(iter([batch(256)] * 9))
    for _ in range(250):
        loss, _ = actor.loss(batch(128), 0.0, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    now, goal = batch(200)["latent.z"], torch.tensor([[1.0, -1.0]])
    wanted = goal if actor.goal else torch.zeros(1, 2)
    before = (now - wanted).norm(dim=1).mean()
    with torch.no_grad():
        for _ in range(8):
            now = now + actor.act({"z": now}, {"z": goal} if actor.goal else None)
    assert (now - wanted).norm(dim=1).mean() < 0.2 * before


# --- what is refused


def test_a_policy_needs_a_model_and_a_model_is_not_a_policy(data, tmp_path):
    with pytest.raises(
        ConfigError, match="trains a policy in the imagination of a world model: name a bundle"
    ):
        train(ACTOR, [data.path], tmp_path / "run", "small")
    with pytest.raises(ConfigError, match=r"ac_jepa\.py does not train a policy: leave out --of"):
        train(
            "models/ac_jepa.py", [data.path], tmp_path / "run", "small", of="models/bundles/panda_reach_small"
        )
    assert not (tmp_path / "run").exists()


def test_data_of_another_robot_are_refused(data, tmp_path):
    with pytest.raises(DatasetError, match="has the action dx, dy, dz, that of drive_bev is"):
        train(ACTOR, [data.path], tmp_path / "run", "small", of="models/bundles/drive_bev")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"latents": (LatentSpec(name="wind", shape=(2,), role="shared"),)}, "candidates share wind"),
        (
            {"action": ActionSpec(names=("c",), units=("",), low=(0.0,), high=(4.0,), choices=5)},
            "the actor learns continuous, bounded actions, those of toy are 5 choices",
        ),
        (
            {"action": ActionSpec(names=("a",), units=("m",), low=(-np.inf,), high=(1.0,))},
            "those of toy are unbounded",
        ),
    ],
)
def test_models_that_an_actor_cannot_learn_in_are_refused(changes, reason):
    file = load_model_file(ACTOR)
    with pytest.raises(ConfigError, match=reason):
        file.build(file.recipe("small"), on_rails(**changes))


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        ({"type": "value"}, "cost 'value' requires output:value, the imagination of rails has"),
        (
            {"type": "effort", "limit": {"at_most": 1.0}},
            "cost 'effort' has a limit, which a loss cannot have",
        ),
    ],
)
def test_costs_that_cannot_be_a_loss_are_refused(cost, reason):
    file = load_model_file(ACTOR)
    recipe = msgspec.structs.replace(file.recipe("small"), costs=[cost])
    with pytest.raises(ConfigError, match=reason):
        file.build(recipe, on_rails())


def test_a_model_that_has_changed_since_is_refused(model, tmp_path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for file in model[1].iterdir():
        (bundle / file.name).write_bytes(file.read_bytes())
    train(ACTOR, [], tmp_path / "run", "small", SHORT, of=str(bundle), report=silent)
    text = (tmp_path / "run" / "run.yaml").read_text()
    (tmp_path / "run" / "run.yaml").write_text(
        text.replace(read_card(bundle).graphs["step"].sha256, "f" * 64)
    )
    with pytest.raises(BundleError, match="which has changed since: train it again"):
        export(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- a policy of a user's own


LINEAR = """
import torch

from wm_planner.training.encoded import GOAL, LATENT
from wm_planner.training.module import TrainablePolicy
from wm_planner.training.recipe import PolicyRecipe


class Recipe(PolicyRecipe, frozen=True, kw_only=True):
    pass


RECIPES = {"tiny": Recipe(iterations=2, cpu_seconds=60.0, batch=4, episodes=4)}


def build(recipe, imagination):
    return Linear(recipe, imagination)


class Linear(TrainablePolicy):
    about, goal, names = "A linear policy.", True, ("z",)

    def __init__(self, recipe, imagination):
        super().__init__()
        self.observation, self.imagination = imagination.card.observation, imagination
        self.layer = torch.nn.Linear(8, 3)

    def act(self, latent, goal):
        return 0.05 * torch.tanh(self.layer(goal["z"] - latent["z"]))

    def loss(self, batch, progress, generator):
        latent, goal = ({"z": batch[prefix + "z"]} for prefix in (LATENT, GOAL))
        rollout, _ = self.imagination.unroll(lambda z: self.act(z, goal), latent, 3, generator)
        error = (rollout.latents["z"] - goal["z"][:, None]).square().mean()
        return error, {"error": error}
"""


def test_a_model_file_of_a_user_may_hold_a_policy(data, tmp_path):
    (tmp_path / "linear.py").write_text(LINEAR)
    changes = MODEL | TINY["small"]
    train("models/ac_jepa.py", [data.path], tmp_path / "model", "small", changes, report=silent)
    train(tmp_path / "linear.py", [], tmp_path / "run", "tiny", of=str(tmp_path / "model"), report=silent)
    card = export(tmp_path / "run", tmp_path / "bundle")
    assert card.policy.training.recipe["batch"] == 4 and Path(tmp_path / "bundle" / "act.onnx").is_file()
