import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from moving_dot import meta_of, write, write_uneven
from msgspec.structs import replace
from torch import nn

from wm_planner.contracts.card import LatentSpec, NoiseSpec, ObservationSpec
from wm_planner.data.episodes import EpisodeData
from wm_planner.errors import BundleError, ConfigError, DatasetError, PluginError, TrainingError
from wm_planner.training import loop
from wm_planner.training.checkpoint import RunFolder
from wm_planner.training.clips import Clips
from wm_planner.training.data_spec import spec_of_meta
from wm_planner.training.loop import train
from wm_planner.training.module import TrainableModel, load_model_file
from wm_planner.training.recipe import TrainingRecipe, changed

MODEL = "models/ac_jepa.py"
TINY = {
    "iterations": 6,
    "batch": 3,
    "clip": 3,
    "warmup": 2,
    "picture": 8,
    "encoder.channels": [4],
    "encoder.hidden": 8,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "dots"
    write(path, seed=0)
    return path


@pytest.fixture
def often(monkeypatch):
    """Report and save in every second iteration."""
    monkeypatch.setattr(loop, "LOG_EVERY", 2)
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)


def test_images_are_never_upsampled(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"cannot give an input of shape \(6, 32, 32\), .* \(6, 16, 16\)"):
        train(MODEL, [folder], tmp_path / "run", "small", {**TINY, "picture": 32})


def weights(path):
    return torch.load(path / "checkpoint.pt", weights_only=True)["model"]


class InterruptedTrainingError(Exception):
    """Raised from a report, like KeyboardInterrupt."""


def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(folder, tmp_path, often):
    def interrupt(progress):
        if progress.iteration == 4:
            raise InterruptedTrainingError

    train(MODEL, [folder], tmp_path / "whole", "small", TINY, report=lambda progress: None)
    with pytest.raises(InterruptedTrainingError):
        train(MODEL, [folder], tmp_path / "parts", "small", TINY, report=interrupt)
    torch.manual_seed(99)
    train(MODEL, [folder], tmp_path / "parts", "small", TINY, report=lambda progress: None)

    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    lines = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("whole", "parts")
    ]
    assert [line["terms"] for line in lines[0]] == [line["terms"] for line in lines[1]]
    assert [line["iteration"] for line in lines[1]] == [2, 4, 6]


def test_another_seed_gives_other_weights(folder, tmp_path):
    for seed in (0, 1):
        changes = {**TINY, "iterations": 1, "seed": seed}
        train(MODEL, [folder], tmp_path / str(seed), "small", changes, report=lambda progress: None)
    first, second = weights(tmp_path / "0"), weights(tmp_path / "1")
    assert not all(torch.equal(first[name], second[name]) for name in first)


def test_training_stops_at_its_cpu_limit_and_can_be_resumed(folder, tmp_path):
    changes = {**TINY, "cpu_seconds": 1e-6}
    progress = train(MODEL, [folder], tmp_path / "run", "small", changes, report=lambda progress: None)
    assert progress.iteration == 1
    assert "1/6" in str(progress)
    progress = train(MODEL, [folder], tmp_path / "run", "small", TINY, report=lambda progress: None)
    assert progress.iteration == 6


def test_a_slow_training_is_reported_once_after_a_few_seconds(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("wm_planner.training.loop.FIRST_REPORT_S", 0.0)
    reports = []
    train(
        MODEL, [folder], tmp_path / "run", "small", TINY, report=lambda each: reports.append(each.iteration)
    )
    assert reports == [1, 6]
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 1


def test_a_loss_that_diverges_ends_the_training_and_keeps_the_last_checkpoint(folder, tmp_path, often):
    wild = {**TINY, "iterations": 20, "learning_rate": 1e30}
    with pytest.raises(TrainingError, match=r"diverged: nan at iteration \d+.*lower learning_rate"):
        train(MODEL, [folder], tmp_path / "run", "small", wild, report=lambda progress: None)
    assert weights(tmp_path / "run")


def test_the_folder_of_another_run_is_refused(folder, tmp_path):
    train(MODEL, [folder], tmp_path / "run", "small", {**TINY, "iterations": 1}, report=lambda progress: None)
    with pytest.raises(BundleError, match=r"another training run: recipe\.iterations is 1 there, 6 now"):
        train(MODEL, [folder], tmp_path / "run", "small", TINY)


def test_a_checkpoint_that_is_corrupt_or_of_another_model_is_refused(folder, tmp_path):
    train(MODEL, [folder], tmp_path / "run", "small", {**TINY, "iterations": 1}, report=lambda progress: None)
    with pytest.raises(BundleError, match="not a checkpoint of this model"):
        RunFolder(tmp_path / "run").restore(nn.Linear(2, 2))
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"corrupt")
    with pytest.raises(BundleError, match="corrupt or not a checkpoint"):
        RunFolder(tmp_path / "run").restore(nn.Linear(2, 2))


def test_clips_stay_within_one_episode_and_have_the_requested_state(folder, tmp_path):
    first, second = EpisodeData.open(folder), write(tmp_path / "more", seed=1, episodes=2)
    clips = Clips([first, second], frames=4)
    assert len(clips) == 24 * 6 + 2 * 6
    batch = clips.draw(64, ["tcp_position"], np.random.default_rng(0))
    assert {name: tuple(array.shape) for name, array in batch.items()} == {
        "images": (64, 4, 2, 16, 16, 3),
        "state": (64, 4, 3),
        "action": (64, 4, 3),
    }
    displacement = (batch["state"][:, 1:] - batch["state"][:, :-1]).abs()
    assert (displacement <= batch["action"][:, :-1].abs() + 1e-6).all()


def test_clips_have_the_signals_and_states_that_a_model_reads(tmp_path):
    clips = Clips([write_uneven(tmp_path / "dots")], frames=4)
    clips.check(reader("reward", "mass"))
    batch = clips.draw(8, [], np.random.default_rng(0), reads=["reward", "terminated", "text", "mass"])
    shapes = {name: (tuple(array.shape), array.dtype) for name, array in batch.items()}
    assert shapes["reward"] == ((8, 4), torch.float32)
    assert shapes["terminated"] == ((8, 4), torch.bool)
    assert shapes["text"] == ((8, 4, 4), torch.int64)
    assert shapes["mass"] == ((8, 4, 1), torch.float32)
    with pytest.raises(DatasetError, match="has no 'rewards', which this model learns from"):
        clips.check(reader("rewards"))
    with pytest.raises(
        DatasetError, match="has no camera 'frnt', which this model learns from, did you mean"
    ):
        clips.check(reader(cameras=("frnt",)))
    with pytest.raises(DatasetError, match=r"takes depth .*: record depth as a quantity of the state"):
        clips.check(reader(cameras=("front",), encoding="32FC1"))


def reader(*names, **seen):
    return SimpleNamespace(reads=names, observation=ObservationSpec(height=16, width=16, **seen))


@pytest.mark.parametrize("file", ["ac_jepa", "rssm", "vjepa2", "vjepa2_ac"])
def test_a_model_of_pictures_is_refused_data_without_any(file):
    blind = spec_of_meta(replace(meta_of(0, 1, 2), cameras=(), image_size=(0, 0)))
    made = load_model_file(f"models/{file}.py")
    with pytest.raises(ConfigError, match="the data has no pictures, which this model learns from: record"):
        made.build(next(iter(made.recipes.values())), blind)


def test_bounds_that_the_data_leave_are_not_those_of_the_model(tmp_path):
    data = write_uneven(tmp_path / "dots")
    mass, tool = data.meta.state
    for high, kept in ((1e3, (1e3,)), (-1e3, ())):
        bounded = replace(tool, low=(-2e3,), high=(high,))
        object.__setattr__(data, "meta", replace(data.meta, state=(mass, bounded)))
        assert Clips([data, write_uneven(tmp_path / f"more{high}")], frames=4).spec.state[1].high == kept


def test_a_stride_joins_actions_to_blocks_and_sums_rewards(tmp_path):
    data = write_uneven(tmp_path / "dots", lengths=(6,))
    clips = Clips([data], frames=3, stride=3)
    assert len(clips) == 1
    assert clips.spec.control_dt_s == pytest.approx(0.6)
    assert clips.spec.action.names == ("dx.0", "dy.0", "dz.0", "dx.1", "dy.1", "dz.1", "dx.2", "dy.2", "dz.2")
    batch = clips.draw(1, ["tcp_position"], np.random.default_rng(0), reads=["reward", "terminated"])
    np.testing.assert_array_equal(batch["images"][0], data.images[::3])
    np.testing.assert_array_equal(batch["state"][0], data.quantity("tcp_position")[::3])
    np.testing.assert_array_equal(batch["action"][0, 1], data.action[3:6].ravel())
    np.testing.assert_array_equal(batch["action"][0, 2], 0)
    np.testing.assert_allclose(batch["reward"][0, :2], data.signals["reward"][:6].reshape(2, 3).sum(axis=1))
    assert batch["terminated"][0].tolist() == [False, True, False]


def test_the_statistics_are_those_of_the_named_quantity(folder):
    mean, std = Clips([EpisodeData.open(folder)], frames=2).spec.statistics("tcp_position")
    np.testing.assert_allclose(
        mean, EpisodeData.open(folder).quantity("tcp_position").mean(axis=0), rtol=1e-5
    )
    assert all(0.05 < value < 0.2 for value in std)


def test_data_sets_that_disagree_are_refused(folder, tmp_path):
    other = write(tmp_path / "other", seed=1, episodes=1)
    meta = tmp_path / "other" / "meta.yaml"
    meta.write_text(meta.read_text().replace("control_dt_s: 0.2", "control_dt_s: 0.1"))
    with pytest.raises(DatasetError, match=r"control_dt_s is 0\.1, but 0\.2"):
        Clips([EpisodeData.open(folder), EpisodeData.open(tmp_path / "other")], frames=2)
    with pytest.raises(DatasetError, match="no episode has 99 frames"):
        Clips([other], frames=99)
    with pytest.raises(DatasetError, match="no data set"):
        Clips([], frames=2)


def test_a_value_that_is_not_finite_is_named_before_the_training(folder, tmp_path):
    write(tmp_path / "dots", seed=0, episodes=2)
    action = np.load(tmp_path / "dots" / "action.npy", mmap_mode="r+")
    action[9 + 3, 1] = np.nan
    action.flush()
    with pytest.raises(DatasetError, match="action of episode 1, frame 3 is not finite"):
        train(MODEL, [folder, tmp_path / "dots"], tmp_path / "run", "small", TINY)
    assert not (tmp_path / "run").exists()


def test_a_run_resumes_with_its_data_at_another_path(folder, tmp_path):
    part = {**TINY, "cpu_seconds": 1e-6}
    train(MODEL, [folder], tmp_path / "run", "small", part, report=lambda progress: None)
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    train(MODEL, [moved], tmp_path / "run", "small", TINY, report=lambda progress: None)
    assert list(RunFolder(tmp_path / "run").spec().datasets) == [str(moved)]
    with pytest.raises(BundleError, match="holds another training run"):
        write(tmp_path / "other", seed=1)
        train(MODEL, [tmp_path / "other"], tmp_path / "run", "small", TINY)


def test_the_effective_rank_is_logged_saved_and_warned_of_when_it_collapses(folder, tmp_path, often):
    warnings = []
    collapsed = {**TINY, "encoder.latent": 1, "sigreg": [0.0, 0.0]}
    run = tmp_path / "run"
    train(MODEL, [folder], run, "small", collapsed, lambda progress: None, warn=warnings.append)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["effective_rank"] for line in lines] == [pytest.approx(1.0)] * 3
    assert torch.load(run / "checkpoint.pt", weights_only=True)["effective_rank"] == pytest.approx(1.0)
    assert len(warnings) == 3
    assert warnings[0].startswith("iteration 2: the representation has collapsed: its effective rank is 1.0")


def test_the_learning_rate_warms_up_and_falls_to_zero():
    recipe = TrainingRecipe(iterations=1000, cpu_seconds=1, warmup=10, learning_rate=1.0)
    rates = [recipe.learning_rate_at(i) for i in range(1000)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == max(rates) == pytest.approx(1.0, abs=1e-3)
    assert rates[-1] < 1e-4


def test_the_learning_rate_is_constant_between_warm_up_and_linear_decay():
    recipe = TrainingRecipe(
        iterations=100, cpu_seconds=1, warmup=10, warmup_from=0.5, anneal=20, learning_rate=1.0
    )
    rates = [recipe.learning_rate_at(i) for i in range(100)]
    assert rates[0] == pytest.approx(0.55)
    assert rates[9:81] == [1.0] * 72
    np.testing.assert_allclose(np.diff(rates[80:]), -0.05)
    assert rates[-1] == pytest.approx(0.05)


def test_the_weight_decay_is_constant_or_follows_a_cosine():
    recipe = TrainingRecipe(iterations=100, cpu_seconds=1, weight_decay=0.04, weight_decay_end=0.4)
    decays = [recipe.weight_decay_at(i) for i in range(100)]
    assert decays[0] == pytest.approx(0.04)
    assert decays[50] == pytest.approx(0.22)
    assert decays == sorted(decays)
    assert TrainingRecipe(iterations=100, cpu_seconds=1).weight_decay_at(99) == 1e-4


def test_a_run_of_an_older_version_without_some_recipe_fields_can_be_resumed(folder, tmp_path):
    part = {**TINY, "cpu_seconds": 1e-6}
    train(MODEL, [folder], tmp_path / "run", "small", part, report=lambda progress: None)
    file = tmp_path / "run" / "run.yaml"
    lines = file.read_text().splitlines(keepends=True)
    later = ("pretrained", "warmup_from", "anneal", "weight_decay_end", "decayed")
    kept = [line for line in lines if not line.strip().startswith(later)]
    assert len(kept) == len(lines) - 6  # `pretrained` of the recipe and of the run
    file.write_text("".join(kept))
    assert (
        train(MODEL, [folder], tmp_path / "run", "small", TINY, report=lambda progress: None).iteration == 6
    )


def test_overrides_change_nested_fields_and_refuse_unknown_ones():
    recipes = load_model_file(MODEL).recipes
    assert changed(recipes["tokens"], {"encoder.dim": 32, "seed": 3}, "recipe").encoder.dim == 32
    with pytest.raises(ConfigError, match="unknown key 'iteration'"):
        changed(recipes["small"], {"iteration": 3}, "recipe small")
    with pytest.raises(ConfigError, match="unknown key 'predictor_dept', did you mean 'predictor_depth'"):
        changed(recipes["tokens"], {"encoder.predictor_dept": 3}, "recipe tokens")


def test_an_unknown_recipe_and_a_file_without_recipes_are_refused(tmp_path):
    with pytest.raises(PluginError, match="did you mean 'small'"):
        load_model_file(MODEL).recipe("smal")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(PluginError, match="lacks RECIPES and build"):
        load_model_file(tmp_path / "empty.py")


def test_a_model_that_remembers_is_represented_by_what_it_knows_after_a_clip():
    class Sum(TrainableModel):
        """Adds up all actions; its noise is ignored where it is calm."""

        latents = (LatentSpec(name="sum", shape=(2,)), LatentSpec(name="token", shape=(9,), dtype="int64"))
        remembers = True
        noise = (NoiseSpec(name="e", shape=(2,), kind="uniform", graph="encode"),)

        def loss(self, batch, progress, generator):
            raise AssertionError

        def encode(self, images, state, past, noise):
            assert past.fresh.unique().item() == float(not past.last_action.any())
            total = past.memory["sum"] + past.last_action + noise["e"] - 0.5
            return {"sum": total, "token": torch.zeros(len(state), 9, dtype=torch.int64)}

        def step(self, latent, action):
            raise AssertionError

    action = torch.rand(3, 4, 2)
    batch = {"images": torch.zeros(3, 4, 0, 2, 2, 3), "state": torch.zeros(3, 4, 0), "action": action}
    torch.testing.assert_close(Sum().represent(batch), action[:, :3].sum(dim=1))


MINE = """
import torch
from wm_planner.training.module import TrainableModel
from wm_planner.training.recipe import TrainingRecipe
from wm_planner.contracts.card import LatentSpec, ObservationSpec

RECIPES = {"tiny": TrainingRecipe(iterations=40, cpu_seconds=60.0, clip=2, learning_rate=0.1, warmup=0)}


class Drift(TrainableModel):
    about = "The displacement per action."
    latents = (LatentSpec(name="position", shape=(3,), unit="m"),)

    def __init__(self, data):
        super().__init__()
        self.observation = ObservationSpec(
            cameras=data.cameras, height=data.height, width=data.width, joined="channels",
            input_shape=(6, data.height, data.width), mean=0.0, std=1.0,
            state=(data.quantity("tcp_position"),),
        )
        self.gain = torch.nn.Parameter(torch.zeros(3))

    def loss(self, batch, progress, generator):
        after = self.step({"position": batch["state"][:, 0]}, batch["action"][:, 0])["position"]
        loss = (after - batch["state"][:, 1]).square().mean()
        return loss, {"drift": loss}

    def encode(self, images, state):
        return {"position": state}

    def step(self, latent, action):
        return {"position": latent["position"] + self.gain * action}


def build(recipe, data):
    return Drift(data)
"""


def test_a_model_file_outside_the_repository_trains(folder, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    train(tmp_path / "mine.py", [folder], tmp_path / "run", "tiny", report=lambda progress: None)
    assert ((weights(tmp_path / "run")["gain"] - 1.0).abs() < 0.2).all()
