import msgspec
import numpy as np
import pytest
import torch
from moving_dot import write

from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import BundleError, ConfigError
from wm_planner.evaluation.model_quality.prediction import measure
from wm_planner.training.clips import Clips
from wm_planner.training.export import export
from wm_planner.training.loop import train
from wm_planner.training.module import load_model_file
from wm_planner.training.recipe import changed
from wm_planner.training.torch_model import TorchWorldModel
from wm_planner.training.trained import training_commands
from wm_planner.world_models.onnx.model import OnnxWorldModel

torch.set_num_threads(1)
VIDEO, ACTIONS = "models/vjepa2.py", "models/vjepa2_ac.py"
VIT = {"dim": 24, "depth": 1, "heads": 2}
TINY = {
    "encoder": VIT,
    "predictor": VIT,
    "picture": 16,
    "patch": 4,
    "clip": 4,
    "batch": 4,
    "iterations": 4,
    "warmup": 2,
    "anneal": 0,
}


@pytest.fixture(scope="module")
def clips(data):
    return Clips([data], frames=4)


@pytest.fixture(scope="module")
def video_run(data, tmp_path_factory):
    """A run of models/vjepa2.py of a few iterations."""
    path = tmp_path_factory.mktemp("runs") / "video"
    train(VIDEO, [data.path], path, "small", TINY, report=lambda progress: None)
    return path


@pytest.fixture(scope="module")
def action_run(data, video_run):
    """A run of models/vjepa2_ac.py with the encoder of `video_run`."""
    path = video_run.with_name("actions")
    changes = {**TINY, "pretrained": str(video_run)}
    train(ACTIONS, [data.path], path, "small", changes, report=lambda progress: None)
    return path


def network(file, spec, **changes):
    torch.manual_seed(0)
    loaded = load_model_file(file)
    return loaded.build(changed(loaded.recipe("small"), {**TINY, **changes}, "small"), spec)


def batch(clips, names=("tcp_position",)):
    return clips.draw(4, names, np.random.default_rng(0))


def weights(run):
    return torch.load(run / "checkpoint.pt", weights_only=True)["model"]


@pytest.mark.parametrize("file", [VIDEO, ACTIONS])
def test_only_trained_weights_get_a_gradient(file, clips):
    net = network(file, clips.spec)
    net.loss(batch(clips), 0.0, torch.Generator().manual_seed(0))[0].backward()
    frozen = ("target_encoder.",) if file == VIDEO else ("encoder.", "predictor.extrinsics_encoder.")
    for name, weight in net.named_parameters():
        assert weight.requires_grad is not name.startswith(frozen)
        assert (weight.grad is not None) is weight.requires_grad, name


def test_the_moving_average_follows_the_encoder_with_its_decay(clips):
    net = network(VIDEO, clips.spec, ema=0.75)
    before = [weight.clone() for weight in net.target_encoder.parameters()]
    with torch.no_grad():
        for weight in net.encoder.parameters():
            weight += 1.0
    net.after_step()
    for old, new in zip(before, net.target_encoder.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.25)


def test_the_moving_average_lags_behind_the_encoder_in_training(video_run):
    state = weights(video_run)
    name = "blocks.0.attn.qkv.weight"
    assert not torch.equal(state[f"encoder.{name}"], state[f"target_encoder.{name}"])
    assert torch.allclose(state[f"encoder.{name}"], state[f"target_encoder.{name}"], atol=0.01)


def test_the_masked_loss_compares_layer_normed_tokens(clips):
    net = network(VIDEO, clips.spec)
    loss, terms = net.loss(batch(clips), 0.0, torch.Generator().manual_seed(0))
    assert set(terms) == {"masked.0", "masked.1", "spread"}
    torch.testing.assert_close(loss, (terms["masked.0"] + terms["masked.1"]) / 2)
    assert 0.5 < loss < 1.1  # predicting 0 has the error E|x| = 0.8 of a standard Gaussian


def test_the_frozen_encoder_is_the_moving_average_of_the_pretrained_run(video_run, action_run):
    video, action = weights(video_run), weights(action_run)
    names = [name for name in action if name.startswith("encoder.")]
    assert names
    assert all(torch.equal(action[name], video["target_" + name]) for name in names)


def test_fine_tuning_goes_on_from_the_predictor_and_its_statistics(data, action_run, tmp_path):
    changes = {**TINY, "pretrained": str(action_run), "load": "all", "part": "encoder", "learning_rate": 1e-9}
    train(ACTIONS, [data.path], tmp_path / "tuned", "small", changes, report=lambda progress: None)
    before, after = weights(action_run), weights(tmp_path / "tuned")
    for name in before:
        if not name.startswith("slow_features."):
            torch.testing.assert_close(after[name], before[name], atol=1e-6, rtol=0)


def test_a_new_predictor_can_be_trained_on_the_tokens_of_a_run_with_their_statistics(action_run, tmp_path):
    other = write(tmp_path / "other", seed=5)
    changes = {**TINY, "pretrained": str(action_run), "load": "tokens", "part": "encoder", "seed": 1}
    train(ACTIONS, [other.path], tmp_path / "new", "small", changes, report=lambda progress: None)
    before, after = weights(action_run), weights(tmp_path / "new")
    for name in before:
        if name.startswith(("encoder.", "whitening.")):
            assert torch.equal(after[name], before[name]), name
    projection = "predictor.predictor_proj.weight"
    assert not torch.allclose(after[projection], before[projection], atol=0.01)


def test_fine_tuning_on_other_data_begins_below_training_from_scratch(tmp_path):
    first, other = (write(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 2)))
    changes = {**TINY, "iterations": 40, "learning_rate": 3e-3}
    train(ACTIONS, [first.path], tmp_path / "first", "small", changes, report=lambda progress: None)

    def loss(load):
        few = {
            **changes,
            "iterations": 4,
            "pretrained": str(tmp_path / "first"),
            "part": "encoder",
            "load": load,
        }
        progress = train(ACTIONS, [other.path], tmp_path / load, "small", few, report=lambda progress: None)
        return progress.terms["teacher_forced"] + progress.terms["rollout"]

    assert loss("all") < 0.95 * loss("tokens")


def test_fine_tuning_needs_weights_of_the_same_kind(data, video_run, tmp_path):
    for load in ("tokens", "all"):
        with pytest.raises(
            ConfigError, match=f"load is {load}, but there is nothing to load: set pretrained"
        ):
            train(ACTIONS, [data.path], tmp_path / "x", "small", {**TINY, "load": load})
    changes = {**TINY, "load": "all", "pretrained": str(video_run)}
    with pytest.raises(BundleError, match=r"predictor: weights of another model.*action_encoder\.weight"):
        train(ACTIONS, [data.path], tmp_path / "x", "small", changes)
    normed = tmp_path / "ac.pt"
    net = network(ACTIONS, Clips([data], frames=4).spec, tokens="normed")
    parts = {part: getattr(net, part).state_dict() for part in ("encoder", "predictor")}
    torch.save(parts, normed)
    changes |= {"pretrained": str(normed), "part": "encoder"}
    with pytest.raises(BundleError, match=r"no part 'whitening', .*known: encoder, predictor"):
        train(ACTIONS, [data.path], tmp_path / "y", "small", changes)


def test_the_pretrained_weights_are_recorded_and_must_not_change(data, video_run, tmp_path):
    start = tmp_path / "start"
    train(VIDEO, [data.path], start, "small", TINY, report=lambda progress: None)
    changes = {**TINY, "pretrained": str(start)}
    train(ACTIONS, [data.path], tmp_path / "run", "small", changes, report=lambda progress: None)
    commands = training_commands(tmp_path / "run")
    assert [command.split()[1:3] for command in commands[1:]] == [["train", VIDEO], ["train", ACTIONS]]
    assert commands[0].startswith("wm collect")
    assert f"pretrained={start}" in commands[2]
    (start / "checkpoint.pt").write_bytes((video_run / "checkpoint.pt").read_bytes() + b" ")
    with pytest.raises(BundleError, match=r"another training run: pretrained\..*start is"):
        train(ACTIONS, [data.path], tmp_path / "run", "small", changes)


def test_an_encoder_of_another_size_is_refused(data, video_run, tmp_path):
    wide = {**TINY, "encoder": {**VIT, "dim": 48}, "pretrained": str(video_run)}
    with pytest.raises(
        BundleError, match=r"target_encoder: weights of another model.*\(24, 3, 2, 4, 4\) there"
    ):
        train(ACTIONS, [data.path], tmp_path / "run", "small", wide)
    with pytest.raises(ConfigError, match="VJepa2 is trained from scratch"):
        train(VIDEO, [data.path], tmp_path / "video", "small", {**TINY, "pretrained": str(video_run)})


def test_a_run_without_actions_is_refused_for_planning(video_run):
    with pytest.raises(BundleError, match="does not predict the effect of actions"):
        TorchWorldModel.of_run(video_run)


@torch.no_grad()
def test_one_deployed_step_is_the_first_frame_of_the_causal_predictor(clips):
    net = network(ACTIONS, clips.spec, tokens="normed").eval()
    clip = batch(clips)
    latent = net.encode(clip["images"][:, 0], clip["state"][:, 0])
    after = net.step(latent, clip["action"][:, 0])
    mean, std = latent["tokens"].mean(-1), latent["tokens"].std(-1, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones_like(std), atol=1e-3, rtol=0)
    torch.testing.assert_close(after["tcp_position"], clip["state"][:, 0] + clip["action"][:, 0])
    later = net.encode(clip["images"][:, 1], clip["state"][:, 1])["tokens"]
    tokens = torch.stack((latent["tokens"], later), dim=1)
    whole = net._predict(tokens, net._padded(clip["action"][:, :2]), net._padded(clip["state"][:, :2]))
    torch.testing.assert_close(whole[:, 0], after["tokens"])


@torch.no_grad()
@pytest.mark.parametrize("changes", [{"tokens": "normed"}, {"tokens": "whitened"}, {"slow_features": 0}])
def test_steps_with_a_cache_equal_the_frames_of_the_causal_predictor(clips, changes):
    net = network(ACTIONS, clips.spec, context=4, **changes).eval()
    clip = batch(clips)
    net.prepare(iter([clip] * 200))
    now = net.encode(clip["images"][:, 0], clip["state"][:, 0])
    caches = {spec.name: spec for spec in net.latents if spec.role == "cache"}
    assert set(now) == {spec.name for spec in net.latents if spec.role == "candidate"}
    now |= {s.name: torch.zeros(4, *s.shape, dtype=getattr(torch, s.dtype)) for s in caches.values()}
    frames, poses = [now["tokens"]], [now["tcp_position"]]
    for t in range(4):
        now = net.step(now, clip["action"][:, t])
        seen = [torch.stack(arrays, dim=1) for arrays in (frames, poses)]
        wanted = net._predict(seen[0], net._padded(clip["action"][:, : t + 1]), net._padded(seen[1]))[:, -1]
        torch.testing.assert_close(now["tokens"], wanted, atol=1e-5, rtol=0)
        frames.append(now["tokens"])
        poses.append(now["tcp_position"])
    assert now["frame"].eq(0).all()


@torch.no_grad()
def test_slow_features_belong_to_the_encoded_or_predicted_tokens(clips):
    net = network(ACTIONS, clips.spec, slow_features=2).eval()
    clip = batch(clips)
    net.prepare(iter([clip] * 200))
    seen = net.encode(clip["images"][:, 0], clip["state"][:, 0])
    imagined = net.step(seen, clip["action"][:, 0])
    assert seen["slow_features"].abs().max() > 0
    for latent in (seen, imagined):
        torch.testing.assert_close(net.slow_features(latent["tokens"]), latent["slow_features"])
    _, terms = net.loss(clip, 0.0, torch.Generator())
    error = imagined["slow_features"] - net.encode(clip["images"][:, 1], clip["state"][:, 1])["slow_features"]
    assert terms["teacher_forced"] > error.abs().mean() / 3  # this is one of three steps


def test_a_context_beyond_the_clip_is_refused(clips):
    with pytest.raises(ConfigError, match="context is 5, wanted 1 to 4"):
        network(ACTIONS, clips.spec, context=5)


@torch.no_grad()
def test_the_rollout_term_predicts_from_predicted_frames(clips):
    net = network(ACTIONS, clips.spec, rollout=2, slow_features=0).eval()
    clip = batch(clips)
    _, terms = net.loss(clip, 0.0, torch.Generator())
    flat = net.encode(clip["images"].flatten(0, 1), clip["state"].flatten(0, 1))["tokens"]
    tokens = flat.unflatten(0, (4, 4))
    pose, action = net._padded(clip["state"]), net._padded(clip["action"])
    first = net._predict(tokens[:, :1], action[:, :1], pose[:, :1])
    second = net._predict(torch.cat((tokens[:, :1], first), dim=1), action[:, :2], pose[:, :2])[:, 1:]
    imagined = torch.cat((first, second), dim=1)
    torch.testing.assert_close(terms["rollout"], (imagined - tokens[:, 1:3]).abs().mean())
    forced = net._predict(tokens[:, :-1], action[:, :-1], pose[:, :-1])
    torch.testing.assert_close(terms["teacher_forced"], (forced - tokens[:, 1:]).abs().mean())


def test_scaled_units_use_the_data_statistics_and_physical_ones_are_not_changed(clips):
    scaled = network(ACTIONS, clips.spec, units="scaled")
    physical = network(ACTIONS, clips.spec, units="physical")
    torch.testing.assert_close(scaled.action_scale, torch.tensor([0.05] * 3 + [1.0] * 4))
    torch.testing.assert_close(scaled.state_mean[:3], torch.tensor(clips.spec.statistics("tcp_position")[0]))
    assert physical.action_scale.eq(1).all()
    assert physical.state_mean.eq(0).all()


def test_an_action_rotates_a_full_pose(clips):
    whole_pose = Quantity(name="tcp_pose", size=7, unit="m, rad")
    names, low, high = [f"d{i}" for i in range(7)], (-0.05,) * 7, (0.05,) * 7
    action = type(clips.spec.action)(names=tuple(names), units=("m",) * 7, low=low, high=high)
    spec = msgspec.structs.replace(
        clips.spec, state=(whole_pose,), state_mean=(0.0,) * 7, state_std=(1.0,) * 7, action=action
    )
    net = network(ACTIONS, spec).eval()
    pose = torch.tensor([[0.1, 0.2, 0.3, 0.0, 0.0, 1.5, 0.98]])
    delta = torch.tensor([[0.01, 0.0, 0.0, 0.0, 0.0, 0.05, 0.05]])
    after = net.step({"tokens": torch.randn(1, 32, 24), "tcp_pose": pose}, delta)["tcp_pose"]
    torch.testing.assert_close(after, torch.tensor([[0.11, 0.2, 0.3, 0.0, 0.0, 1.55, 1.0]]))


def test_data_without_a_matching_pose_is_refused(clips):
    without = msgspec.structs.replace(
        clips.spec, state=(Quantity(name="mass", size=1, unit="kg"),), state_mean=(0.0,), state_std=(1.0,)
    )
    with pytest.raises(ConfigError, match=r"no pose, wanted one of .*known: mass"):
        network(ACTIONS, without)
    planar = msgspec.structs.replace(clips.spec, state=(Quantity(name="tcp_position", size=4, unit="m"),))
    with pytest.raises(ConfigError, match="tcp_position has 4 components, the action 3"):
        network(ACTIONS, planar)


def test_a_width_that_does_not_divide_by_the_heads_is_refused(clips):
    with pytest.raises(ConfigError, match=r"\.encoder: dim is 24, wanted a multiple of twice the 5 heads"):
        network(VIDEO, clips.spec, encoder={**VIT, "heads": 5})


def test_a_rollout_beyond_the_clip_is_refused(clips):
    with pytest.raises(ConfigError, match="rollout is 4, wanted 1 to 3"):
        network(ACTIONS, clips.spec, rollout=4)


def test_the_published_recipes_have_a_constant_rate_after_the_warm_up():
    recipe = load_model_file(ACTIONS).recipe("giant")
    rates = {i: recipe.learning_rate_at(i) for i in (0, 4499, 50_000, 90_000, 94_499)}
    assert rates[0] == pytest.approx(7.5e-5, rel=1e-2)
    assert rates[4499] == rates[50_000] == rates[90_000] == 4.25e-4
    assert 0 < rates[94_499] < 1e-6
    assert recipe.weight_decay_at(50_000) == 0.04
    video = load_model_file(VIDEO).recipe("giant")
    assert video.learning_rate_at(0) == pytest.approx(1e-4, rel=1e-2)
    assert video.learning_rate_at(12_000) == video.learning_rate_at(239_999) == 5.25e-4


def test_an_exported_bundle_matches_torch_and_documents_its_training(action_run, tmp_path):
    card = export(action_run, tmp_path / "bundle")
    assert [command.split()[1] for command in card.training.command] == [
        "collect",
        "train",
        "train",
        "export",
    ]
    assert card.observation.mean == (0.485, 0.456, 0.406)
    assert max(graph.max_abs_error for graph in card.graphs.values()) < 1e-4
    loaded = OnnxWorldModel.load(tmp_path / "bundle", device="cpu").card
    assert [latent.name for latent in loaded.latents] == ["slow_features", "tokens", "tcp_position"]
    assert "state:tcp_position" in loaded.offers


def test_a_few_seconds_of_training_beat_copying(tmp_path):
    vit = {"dim": 32, "depth": 2, "heads": 2}
    changes = {**TINY, "encoder": vit, "predictor": vit, "batch": 8, "warmup": 20}
    data = write(tmp_path / "data", seed=0, episodes=100)
    video = {**changes, "iterations": 60, "ema": 0.98}
    train(VIDEO, [data.path], tmp_path / "video", "small", video, report=lambda progress: None)
    actions = {
        **changes,
        "iterations": 300,
        "tokens": "normed",
        "slow_features": 0,
        "learning_rate": 3e-3,
        "anneal": 100,
        "pretrained": str(tmp_path / "video"),
    }
    train(ACTIONS, [data.path], tmp_path / "actions", "small", actions, report=lambda progress: None)
    held_out = write(tmp_path / "held_out", seed=1, episodes=10)
    report = measure(TorchWorldModel.of_run(tmp_path / "actions"), held_out, "tokens", horizons=(1, 5))
    print(report.relative_error, report.shuffled_error)
    assert report.relative_error[1] < 0.5
    assert report.relative_error[5] < 0.8
    assert report.shuffled_error[1] > 2 * report.relative_error[1]
