"""`wm import`: a toy-sized file in the published format becomes a bundle."""

import re
import shutil

import msgspec
import numpy as np
import onnx
import pytest
import torch
from published_toy import TOY, toy_is_a_published_size, toy_networks, write

from wm_planner.bench.measurements.rollout import step_times_ms
from wm_planner.checksum import sha256
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import problem_in
from wm_planner.contracts.task import Goal
from wm_planner.errors import BundleError, ConfigError
from wm_planner.networks.vjepa2 import MaskedPredictor, VitSize, VJepa2Encoder, normalise
from wm_planner.networks.vjepa2_1 import VJepa21Encoder
from wm_planner.networks.vjepa2_ac import AcPredictor
from wm_planner.planners.vjepa2_ac import VJEPA2AC
from wm_planner.training import bundle as bundle_module
from wm_planner.training.importing import DROID, Heads, import_checkpoint
from wm_planner.training.module import load_model_file
from wm_planner.world_models.onnx.call_size import SIZES, most_candidates
from wm_planner.world_models.onnx.card_file import read_card
from wm_planner.world_models.onnx.model import OnnxWorldModel

torch.set_num_threads(1)
POSE = np.array([0.5, 0.0, 0.3, -3.0, 0.1, -1.9, 0.9], np.float32)
PICTURE = np.random.default_rng(0).integers(256, size=(256, 256, 3), dtype=np.uint8)
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module", autouse=True)
def known():
    with toy_is_a_published_size():
        yield


@pytest.fixture(scope="module")
def networks():
    return toy_networks()


@pytest.fixture(scope="module")
def file(networks, tmp_path_factory):
    return write(tmp_path_factory.mktemp("file") / "vjepa2-ac-toy.pt", *networks)


@pytest.fixture(scope="module")
def imported(file, tmp_path_factory):
    """A bundle of the default settings, in the place of an older one."""
    out = tmp_path_factory.mktemp("imported") / "toy"
    out.mkdir()
    for name in ("card.yaml", "stale"):
        (out / name).touch()
    _, reports = import_checkpoint(file, out, replace=True)
    return out, reports


@torch.no_grad()
def encoded_by_hand(encoder, picture=PICTURE):
    pixels = ((torch.from_numpy(picture) / 255.0 - MEAN) / STD).permute(2, 0, 1)
    return normalise(encoder(pixels[None, :, None].repeat(1, 1, 2, 1, 1))).numpy()


@torch.no_grad()
def imagined_by_hand(predictor, tokens, actions, context=1):
    """Tokens (H, P, D) of one candidate; every step is recomputed from all frames of its context."""
    actions = torch.from_numpy(actions)
    poses = torch.from_numpy(POSE) + torch.cat((torch.zeros(1, 7), actions.cumsum(0)))  # no rotations here
    frames = torch.from_numpy(tokens).unsqueeze(1)  # (1, T, P, D)
    for t in range(len(actions)):
        seen = slice(t - t % context, t + 1)
        after = predictor(frames[:, seen], actions[None, seen], poses[None, seen])[:, -1:]
        frames = torch.cat((frames, normalise(after)), dim=1)
    return frames[0, 1:].numpy()


def moves(candidates, horizon):
    """Random actions (N, H, 7) without rotation."""
    actions = np.zeros((candidates, horizon, 7), np.float32)
    actions[..., :3] = np.random.default_rng(1).uniform(-0.05, 0.05, (candidates, horizon, 3))
    return actions


def test_an_imported_model_matches_its_networks_in_torch(imported, networks):
    model = OnnxWorldModel.load(imported[0], device="cpu")
    actions = moves(3, 2)
    latent = model.encode(Observation({"front": PICTURE}, {"tcp_pose": POSE}))
    rollout = model.rollout(latent, actions)
    first = encoded_by_hand(networks[0])
    np.testing.assert_allclose(latent["tokens"], first, atol=1e-4)
    for n in range(3):
        wanted = imagined_by_hand(networks[1], first, actions[n], context=2)
        np.testing.assert_allclose(rollout.latents["tokens"][n], wanted, atol=1e-4)
    ahead = POSE + actions.sum(axis=1)
    np.testing.assert_allclose(rollout.states["tcp_pose"][:, -1], ahead, atol=1e-5)


@torch.no_grad()
def test_weights_of_another_picture_size_match_networks_of_that_size(networks, file, tmp_path):
    card, _ = import_checkpoint(file, tmp_path / "small", size=96)
    assert (card.observation.height, card.observation.width) == (96, 96)
    assert card.training.command[0].endswith("--precision fp32 --context 2 --size 96")
    encoder, predictor = VJepa2Encoder(TOY, (96, 96)).eval(), AcPredictor(TOY, TOY.dim, (6, 6)).eval()
    for own, published in zip((encoder, predictor), networks, strict=True):
        own.load_state_dict(published.state_dict())
    picture, actions = PICTURE[:96, :96], moves(1, 2)
    model = OnnxWorldModel.load(tmp_path / "small", device="cpu")
    latent = model.encode(Observation({"front": picture}, {"tcp_pose": POSE}))
    first = encoded_by_hand(encoder, picture)
    np.testing.assert_allclose(latent["tokens"], first, atol=1e-5)
    imagined = model.rollout(latent, actions).latents["tokens"][0]
    np.testing.assert_allclose(imagined, imagined_by_hand(predictor, first, actions[0], 2), atol=1e-5)


@pytest.mark.parametrize("size", [0, 8, 250])
def test_a_picture_size_that_patches_do_not_fill_is_refused(file, tmp_path, size):
    with pytest.raises(ConfigError, match=f"size is {size} pixels, wanted a multiple of 16"):
        import_checkpoint(file, tmp_path / "out", size=size)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def large(file, tmp_path_factory):
    """A bundle of eight frames of context, whose weights are too large for a graph file."""
    out = tmp_path_factory.mktemp("large") / "toy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_module, "LARGEST_FILE", 100_000)
        import_checkpoint(file, out, context=8)
    return out


@pytest.fixture(scope="module")
def cached(large):
    return OnnxWorldModel.load(large, device="cpu")


def test_a_cached_rollout_of_eight_steps_equals_recomputing_all_frames(cached, networks):
    actions = moves(3, 8)
    latent = cached.encode(Observation({"front": PICTURE}, {"tcp_pose": POSE}))
    assert set(latent) == {"tokens", "tcp_pose"}  # encode does not return caches
    rollout = cached.rollout(latent, actions)
    assert set(rollout.latents) == {"tokens", "tcp_pose"}
    for n in range(3):
        wanted = imagined_by_hand(networks[1], latent["tokens"], actions[n], context=8)
        np.testing.assert_allclose(rollout.latents["tokens"][n], wanted, atol=1e-5)
    without_context = imagined_by_hand(networks[1], latent["tokens"], actions[2])
    assert np.abs(without_context[-1] - wanted[-1]).max() > 1e-3


def test_a_full_cache_starts_over_and_samples_may_be_at_different_frames(imported, networks):
    model = OnnxWorldModel.load(imported[0], device="cpu")
    actions = moves(1, 5)
    now = start = model.encode(Observation({"front": PICTURE}, {"tcp_pose": POSE}))
    steps = []
    for t in range(5):
        now, _ = model.step(now, actions[:, t])
        steps.append(now)
    wanted = imagined_by_hand(networks[1], start["tokens"], actions[0], context=2)
    np.testing.assert_allclose(np.stack([step["tokens"][0] for step in steps]), wanted, atol=1e-5)
    mixed = {name: np.concatenate([steps[2][name], steps[3][name]]) for name in now}
    after, _ = model.step(mixed, actions[0, 3:5])
    np.testing.assert_allclose(after["tokens"], wanted[3:5], atol=1e-5)


def test_a_cache_limits_the_candidates_of_one_call(cached):
    caches = {spec.name: spec for spec in cached.card.latents if spec.role == "cache"}
    assert caches["keys_values"].shape == (2, 2, 2, 7 * 258, 12)
    assert caches["frame"].dtype == "int64"
    assert most_candidates(cached.card) == 512  # of 0.7 MB each
    file = load_model_file("models/vjepa2_ac.py")
    with torch.device("meta"):
        giant = file.build(msgspec.structs.replace(file.recipe("giant"), context=8), DROID)
    large = msgspec.structs.replace(cached.card, latents=giant.latents)
    assert most_candidates(large) == 2**31 // (4 * 24 * 2 * 16 * 7 * 258 * 64) == 6


def test_a_step_takes_the_same_time_anywhere_in_a_rollout(cached, capsys):
    took_ms = step_times_ms(cached, horizon=8, candidates=4, repeats=3)
    with capsys.disabled():
        print(f"\ncached, ms per step: {took_ms[0]:.1f} at step 1, {took_ms[-1]:.1f} at step 8")
    assert max(took_ms[-3:]) < 2 * min(took_ms[:3])  # recomputing the context would take 8 times as long


def test_the_card_documents_the_training_data_and_the_file(imported, file):
    out, reports = imported
    card = read_card(out)
    assert (card.name, card.family, card.control_dt_s) == ("toy", "vjepa2_ac", 0.25)
    assert card.observation.input_shape == (3, 256, 256)
    assert card.observation.mean == (0.485, 0.456, 0.406)
    assert card.observation.fit == "crop"  # to a square of the full height, as in training
    assert card.observation.state == DROID.state
    assert card.max_candidates in SIZES
    assert card.observation.state[0].unit == "m, rad, share closed"
    assert card.action.units == ("m",) * 3 + ("rad",) * 3 + ("share closed",)
    assert card.action.high == (0.05, 0.05, 0.05, 0.001, 0.001, 0.001, 0.75)
    assert card.training.pretrained == {str(file): sha256(file)}
    assert not card.training.data
    assert card.training.recipe["encoder"] == msgspec.to_builtins(TOY)
    assert card.training.command == (f"wm import {file} --out {out} --precision fp32 --context 2",)
    assert all(graph.max_abs_error <= 1e-4 for graph in card.graphs.values())
    assert [report.left_over for report in reports] == [("pos_embed",), ()]
    assert {path.name for path in out.iterdir()} == {"card.yaml", "encode.onnx", "step.onnx"}


def test_a_bundle_sees_the_two_frames_that_the_published_planner_looks_ahead(imported):
    assert read_card(imported[0]).training.recipe["context"] == 2
    assert VJEPA2AC.Config().horizon == 2


def test_weights_that_were_not_published_need_their_heads(tmp_path):
    """An own predictor on an own encoder of V-JEPA 2.1."""
    torch.manual_seed(0)
    encoder = VJepa21Encoder(VitSize(dim=24, depth=1, heads=2), (256, 256)).eval()
    own = AcPredictor(VitSize(dim=24, depth=1, heads=3), 24, (16, 16)).eval()
    path = write(tmp_path / "own.pt", encoder, own)
    for heads, option in ((Heads(), "--encoder-heads"), (Heads(encoder=2), "--predictor-heads")):
        with pytest.raises(BundleError, match=rf"1 layers `\w*blocks` of width 24 .*{option}"):
            import_checkpoint(path, tmp_path / "x", context=1, heads=heads)
    card, _ = import_checkpoint(path, tmp_path / "x", context=1, heads=Heads(2, 3))
    assert card.training.command[0].endswith("--context 1 --encoder-heads 2 --predictor-heads 3")
    assert card.training.recipe["architecture"] == "vjepa2_1"
    model = OnnxWorldModel.load(tmp_path / "x", device="cpu")
    latent = model.encode(Observation({"front": PICTURE}, {"tcp_pose": POSE}))
    np.testing.assert_allclose(latent["tokens"], encoded_by_hand(encoder), atol=1e-4)
    after, _ = model.step(latent, moves(1, 1)[0])
    wanted = imagined_by_hand(own, latent["tokens"], moves(1, 1)[0])
    np.testing.assert_allclose(after["tokens"], wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("component", "value", "reason"),
    [
        (0, 503.0, r"tcp_pose\[0\] is 503, outside of its bounds -2 to 2"),
        (3, -175.7, r"tcp_pose\[3\] is -175\.7, outside of its bounds -3\.14159 to 3\.14159"),
        (6, 80.0, r"tcp_pose\[6\] is 80, outside of its bounds 0 to 1"),
        (6, -0.02, r"tcp_pose\[6\] is -0\.02, outside"),
    ],
)
def test_a_pose_in_other_units_is_refused(component, value, reason):
    pose = POSE.copy()
    assert not problem_in(DROID.state[0], pose)
    pose[component] = value
    assert re.search(reason, problem_in(DROID.state[0], pose))


def test_what_an_older_bundle_had_is_gone_when_it_is_replaced(imported):
    assert {path.name for path in imported[0].iterdir()} == {"card.yaml", "encode.onnx", "step.onnx"}


def test_a_folder_that_exists_is_refused_before_the_weights_are_read(file, imported, tmp_path):
    for path in (file, tmp_path / "none.pt"):
        with pytest.raises(
            BundleError, match=r"toy exists already and is a bundle: add --replace, or choose another"
        ):
            import_checkpoint(path, imported[0])
    (tmp_path / "mine").mkdir()
    with pytest.raises(BundleError, match=r"mine cannot be replaced: it contains no card\.yaml"):
        import_checkpoint(file, tmp_path / "mine", replace=True)


def test_large_weights_are_in_an_external_file_with_a_checksum(large, tmp_path):
    shutil.copytree(large, tmp_path / "large")
    data = tmp_path / "large" / "encode.onnx.data"
    graph = onnx.load(tmp_path / "large" / "encode.onnx", load_external_data=False)
    assert any(tensor.external_data for tensor in graph.graph.initializer)
    assert OnnxWorldModel.load(tmp_path / "large", device="cpu").card.graphs["encode"].data_sha256 == sha256(
        data
    )
    data.write_bytes(data.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleError, match=r"graphs\.encode\.data_sha256 is .*encode\.onnx\.data was changed"):
        read_card(tmp_path / "large")
    data.unlink()
    with pytest.raises(BundleError, match=r"graphs\.encode: encode\.onnx\.data is missing"):
        read_card(tmp_path / "large")


def test_half_precision_halves_the_weights_and_stays_close(imported, file, tmp_path):
    card, _ = import_checkpoint(file, tmp_path / "half", "fp16", context=2)
    full, half = (weight_bytes(path / "encode.onnx") for path in (imported[0], tmp_path / "half"))
    assert half < 0.51 * full
    assert 1e-5 < card.graphs["step"].max_abs_error < 0.05
    latent = OnnxWorldModel.load(tmp_path / "half", device="cpu").encode(Goal({"front": PICTURE}))
    wanted = OnnxWorldModel.load(imported[0], device="cpu").encode(Goal({"front": PICTURE}))
    np.testing.assert_allclose(latent["tokens"], wanted["tokens"], atol=0.05)


def weight_bytes(graph):
    return sum(len(tensor.raw_data) for tensor in onnx.load(graph).graph.initializer)


@pytest.mark.parametrize(
    ("precision", "reason"),
    [
        ("bf16", "no CPU kernels for it.*use fp16 or fp32"),
        ("fp8", "unknown precision 'fp8'.*fp16, fp32"),
    ],
)
def test_an_unsupported_precision_is_refused(file, tmp_path, precision, reason):
    with pytest.raises(ConfigError, match=reason):
        import_checkpoint(file, tmp_path / "x", precision)
    assert not (tmp_path / "x").exists()


def test_another_model_is_refused_with_the_first_differences_and_nothing_is_written(networks, tmp_path):
    masked = write(tmp_path / "vit.pt", networks[0], MaskedPredictor(TOY, 24, (1, 16, 16)))
    strange = write(tmp_path / "strange.pt", *networks, **{"head.weight": torch.zeros(3)})
    cut = tmp_path / "cut.pt"
    cut.write_bytes(strange.read_bytes()[:50_000])
    for path, reason in (
        (masked, r"weights of another model.*action_encoder\.weight is missing there, \(24, 7\) here"),
        (strange, r"1 of \d+ arrays differ: head\.weight is \(3,\) there, missing here"),
        (cut, "corrupt or not a torch file"),
        (tmp_path / "none.pt", "no weights at"),
    ):
        with pytest.raises(BundleError, match=reason):
            import_checkpoint(path, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
