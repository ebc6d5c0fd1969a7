"""`wm import`: a file of the published kind, made by hand at a tiny size, becomes a bundle."""

import msgspec
import numpy as np
import onnx
import pytest
import torch

from wm_planner.errors import BundleError, ConfigError
from wm_planner.networks.vjepa2 import MaskedPredictor, VitSize, VJepa2Encoder, normalise
from wm_planner.networks.vjepa2_ac import AcPredictor
from wm_planner.training import bundle as bundle_module
from wm_planner.training import published
from wm_planner.training.importing import import_checkpoint
from wm_planner.world_models.base import Observation
from wm_planner.world_models.card import read_card, sha256
from wm_planner.world_models.onnx import OnnxWorldModel

torch.set_num_threads(1)
TOY = VitSize(dim=24, depth=2, heads=2)
POSE = np.array([0.5, 0.0, 0.3, -3.0, 0.1, -1.9, 0.9], np.float32)
PICTURE = np.random.default_rng(0).integers(256, size=(256, 256, 3), dtype=np.uint8)
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module", autouse=True)
def toy_is_a_published_size():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(published.KNOWN, "toy", TOY)
        patch.setattr(bundle_module, "BATCHES", (1, 3))
        yield


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return VJepa2Encoder(TOY, (256, 256)).eval(), AcPredictor(TOY, 24, (16, 16)).eval()


def write(path, encoder, predictor, **extra):
    """A file as facebookresearch/vjepa2 writes it."""
    parts = {"encoder": encoder.state_dict(), "predictor": predictor.state_dict()}
    state = {part: {f"module.backbone.{n}": a for n, a in arrays.items()} for part, arrays in parts.items()}
    state["encoder"]["module.backbone.pos_embed"] = torch.zeros(1, 4, 24)
    state["predictor"].update(extra)
    torch.save({**state, "epoch": 315}, path)
    return path


@pytest.fixture(scope="module")
def file(networks, tmp_path_factory):
    return write(tmp_path_factory.mktemp("file") / "vjepa2-ac-toy.pt", *networks)


@pytest.fixture(scope="module")
def imported(file, tmp_path_factory):
    out = tmp_path_factory.mktemp("imported") / "toy"
    _, reports = import_checkpoint(file, out)
    return out, reports


@torch.no_grad()
def by_hand(networks, actions):
    """Tokens of one candidate's rollout, every step from the one frame before it, and poses."""
    encoder, predictor = networks
    pixels = ((torch.from_numpy(PICTURE) / 255.0 - MEAN) / STD).permute(2, 0, 1)
    tokens = normalise(encoder(pixels[None, :, None].repeat(1, 1, 2, 1, 1)))
    frames, pose = [tokens], torch.from_numpy(POSE)[None]
    for action in torch.from_numpy(actions):
        tokens = normalise(predictor(tokens[:, None], action[None, None], pose[:, None])[:, 0])
        pose = pose + action  # no turns in this test
        frames.append(tokens)
    return [frame.numpy()[0] for frame in frames]


def test_a_published_file_plans_through_onnx_as_its_networks_do_in_torch(imported, networks):
    model = OnnxWorldModel.load(imported[0], device="cpu")
    actions = np.zeros((3, 2, 7), np.float32)
    actions[..., :3] = np.random.default_rng(1).uniform(-0.05, 0.05, (3, 2, 3))
    latent = model.encode(Observation({"front": PICTURE}, {"tcp_pose": POSE}))
    rollout = model.rollout(latent, actions)
    for n in range(3):
        first, *later = by_hand(networks, actions[n])
        np.testing.assert_allclose(latent["tokens"][0], first, atol=1e-4)
        np.testing.assert_allclose(rollout.latents["tokens"][n], np.stack(later), atol=1e-4)
    ahead = POSE + actions.sum(axis=1)
    np.testing.assert_allclose(rollout.states["tcp_pose"][:, -1], ahead, atol=1e-5)


def test_the_card_says_what_the_weights_were_trained_on_and_names_the_file(imported, file):
    out, reports = imported
    card = read_card(out)
    assert (card.name, card.family, card.control_dt_s) == ("toy", "vjepa2_ac", 0.25)
    assert card.observation.input_shape == (3, 256, 256)
    assert card.observation.mean == (0.485, 0.456, 0.406)
    assert [quantity.size for quantity in card.observation.state] == [7]
    assert card.action.high == (0.05, 0.05, 0.05, 0.001, 0.001, 0.001, 0.75)
    assert card.training.pretrained == {str(file): sha256(file)}
    assert not card.training.data
    assert card.training.recipe["encoder"] == msgspec.to_builtins(TOY)
    assert card.training.command == (f"wm import {file} --out {out} --precision fp32",)
    assert all(graph.max_abs_error <= 1e-4 for graph in card.graphs.values())
    assert [report.left_over for report in reports] == [("pos_embed",), ()]
    assert {path.name for path in out.iterdir()} == {"card.yaml", "encode.onnx", "step.onnx"}


def test_weights_beyond_what_a_graph_holds_lie_beside_it_and_are_checked(file, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_module, "LARGEST_FILE", 100_000)
    import_checkpoint(file, tmp_path / "large")
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
    card, _ = import_checkpoint(file, tmp_path / "half", "fp16")
    full, half = (weight_bytes(path / "encode.onnx") for path in (imported[0], tmp_path / "half"))
    assert half < 0.51 * full
    assert 1e-5 < card.graphs["step"].max_abs_error < 0.05
    latent = OnnxWorldModel.load(tmp_path / "half", device="cpu").encode(Observation({"front": PICTURE}))
    wanted = OnnxWorldModel.load(imported[0], device="cpu").encode(Observation({"front": PICTURE}))
    np.testing.assert_allclose(latent["tokens"], wanted["tokens"], atol=0.05)


def weight_bytes(graph):
    return sum(len(tensor.raw_data) for tensor in onnx.load(graph).graph.initializer)


@pytest.mark.parametrize(
    ("precision", "reason"),
    [
        ("bf16", "no kernels for it on a CPU.*use fp16 or fp32"),
        ("fp8", "unknown precision 'fp8'.*fp16, fp32"),
    ],
)
def test_a_precision_that_cannot_be_tried_is_refused(file, tmp_path, precision, reason):
    with pytest.raises(ConfigError, match=reason):
        import_checkpoint(file, tmp_path / "x", precision)
    assert not (tmp_path / "x").exists()


def test_what_is_no_v_jepa_2_ac_names_the_first_differences_and_writes_nothing(networks, tmp_path):
    masked = write(tmp_path / "vit.pt", networks[0], MaskedPredictor(TOY, 24, (1, 16, 16)))
    strange = write(tmp_path / "strange.pt", *networks, **{"head.weight": torch.zeros(3)})
    torn = tmp_path / "torn.pt"
    torn.write_bytes(strange.read_bytes()[:50_000])
    for path, reason in (
        (masked, r"weights of another model.*action_encoder\.weight is missing there, \(24, 7\) here"),
        (strange, r"1 of \d+ arrays differ: head\.weight is \(3,\) there, missing here"),
        (torn, "torn, or no file of torch"),
        (tmp_path / "none.pt", "no weights at"),
    ):
        with pytest.raises(BundleError, match=reason):
            import_checkpoint(path, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
