"""ViT-g and its action-conditioned predictor with random weights, imported like the published ones."""

import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from wm_planner.contracts.observation import Observation
from wm_planner.networks.vjepa2 import SIZES, VJepa2Encoder, normalise
from wm_planner.networks.vjepa2_ac import AC_PREDICTOR, AcPredictor
from wm_planner.training.importing import import_checkpoint
from wm_planner.training.published import published_ac_predictor, published_encoder
from wm_planner.world_models.onnx.model import OnnxWorldModel

torch.set_num_threads(1)
GB = 1e9
MEMORY_GB, DISK_GB = 20, 25
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def free_memory_gb():
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / GB for line in lines if line.startswith("MemAvailable"))


def peak_memory_gb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GB


@pytest.fixture
def workspace(tmp_path, skip_loudly):
    """A folder with space for 11 GB of files, removed afterwards."""
    memory, disk = free_memory_gb(), shutil.disk_usage(tmp_path).free / GB
    if memory < MEMORY_GB or disk < DISK_GB:
        skip_loudly(
            f"ViT-g needs {MEMORY_GB} GB of memory and {DISK_GB} GB of disk, "
            f"free are {memory:.0f} and {disk:.0f}"
        )
    yield tmp_path
    shutil.rmtree(tmp_path)


def random_weights(network):
    """Random arrays for a network on the meta device."""
    generator = torch.Generator().manual_seed(0)
    arrays = {}
    for name, array in network.state_dict().items():
        values = torch.empty(array.shape).normal_(0.0, 0.02, generator=generator)
        arrays[name] = values + 1.0 if "norm" in name and name.endswith("weight") else values
    return arrays


def write_random(path):
    with torch.device("meta"):
        networks = {
            "encoder": VJepa2Encoder(SIZES["giant"], (256, 256)),
            "predictor": AcPredictor(AC_PREDICTOR, 1408, (16, 16)),
        }
    torch.save({part: random_weights(network) for part, network in networks.items()}, path)


@torch.no_grad()
def by_torch(file, picture, pose, action):
    """Tokens of an image and of the predicted next frame; the networks are freed on return."""
    pixels = ((torch.from_numpy(picture) / 255.0 - MEAN) / STD).permute(2, 0, 1)
    encoder, _ = published_encoder(file, "encoder")
    tokens = normalise(encoder(pixels[None, :, None].repeat(1, 1, 2, 1, 1)))
    del encoder
    predictor, _ = published_ac_predictor(file, frames=1)
    state, action = (torch.from_numpy(values)[None, None] for values in (pose, action))
    after = normalise(predictor(tokens[:, None], action, state)[:, 0])
    return tokens.numpy(), after.numpy()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_vit_giant_in_onnx_matches_torch_on_a_real_frame(workspace, shared_data, capsys):
    frames = np.load(shared_data("franka") / "franka_example_traj.npz")
    picture, pose = frames["observations"][0, 0], frames["states"][0, 0]
    action = np.array([0.05, 0.03, 0.05, 0.0, 0.0, 0.0, 0.0], np.float32)
    write_random(workspace / "giant.pt")
    card, _ = import_checkpoint(workspace / "giant.pt", workspace / "giant")
    sizes = {path.name: path.stat().st_size / GB for path in (workspace / "giant").iterdir()}
    assert set(sizes) == {"card.yaml", "encode.onnx", "encode.onnx.data", "step.onnx"}
    tokens, after = by_torch(workspace / "giant.pt", picture, pose, action)
    model = OnnxWorldModel.load(workspace / "giant", device="cpu")
    latent = model.encode(Observation({"front": picture}, {"tcp_pose": pose}))
    imagined, _ = model.step(latent, action[None])
    errors = {
        "encode": float(np.abs(latent["tokens"] - tokens).max()),
        "step": float(np.abs(imagined["tokens"] - after).max()),
    }
    with capsys.disabled():
        files = ", ".join(f"{name} {size:.2f}" for name, size in sorted(sizes.items()))
        print(f"\nViT-g: errors {errors}, peak memory {peak_memory_gb():.1f} GB, files in GB: {files}")
    assert max(errors.values()) <= 1e-4
    assert all(graph.max_abs_error <= 1e-4 for graph in card.graphs.values())
