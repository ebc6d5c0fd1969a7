"""The encoder of V-JEPA 2.1 against its equations, written out here with complex numbers."""

import math

import pytest
import torch

from wm_planner.errors import ConfigError, ShapeError
from wm_planner.networks.vjepa2 import VitSize
from wm_planner.networks.vjepa2_1 import SIZES_2_1, VJepa21Encoder

torch.set_num_threads(1)
SIZE = VitSize(dim=48, depth=8, heads=2, mlp_ratio=2.0)
PICTURE = (48, 64)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    network = VJepa21Encoder(SIZE, PICTURE, frames=4).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(0, 0.1) if weight.ndim > 1 else weight.uniform_(-1, 1)
    return network


@pytest.mark.parametrize("name", SIZES_2_1)
def test_every_published_size_has_its_arrays(name):
    with torch.device("meta"):
        network = VJepa21Encoder(SIZES_2_1[name], (384, 384))
    size = SIZES_2_1[name]
    assert len(network.state_dict()) == 14 + 12 * size.depth
    assert len(network.levels) == 4 and network.levels[-1] == size.depth - 1
    assert sum(weight.numel() for weight in network.parameters()) == parameters(size)


def parameters(size):
    """Patches of videos and images, two modalities, the layers, four norms."""
    dim, hidden = size.dim, round(size.dim * size.mlp_ratio)
    patches = dim * (3 * 2 * 16 * 16 + 1) + dim * (3 * 16 * 16 + 1) + 2 * dim
    layer = dim * (4 * dim + 4) + dim * hidden * 2 + hidden + dim + 4 * dim
    return patches + size.depth * layer + 8 * dim


class ByHand:
    """The forward pass of one video, token by token where positions are involved."""

    def __init__(self, network, frames):
        self.weights = dict(network.named_parameters())
        self.rows, self.columns = PICTURE[0] // 16, PICTURE[1] // 16
        self.frames = frames

    def norm(self, x, name):
        deviation = (x.var(-1, keepdim=True, unbiased=False) + 1e-6).sqrt()
        standard = (x - x.mean(-1, keepdim=True)) / deviation
        return standard * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def linear(self, x, name):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def rotated(self, x):
        """Each third of a head (L, 24) turns by t, by 15 row / (rows - 1), by 15 column / (columns - 1)."""
        pairs = 24 // 3 // 2
        turns = torch.tensor([10_000.0 ** (-k / pairs) for k in range(pairs)])
        out = x.clone()
        for token in range(len(x)):
            t, place = divmod(token, self.rows * self.columns)
            row, column = divmod(place, self.columns)
            at = (t, 15 * row / (self.rows - 1), 15 * column / (self.columns - 1))
            for axis in range(3):
                span = slice(axis * 2 * pairs, (axis + 1) * 2 * pairs)
                turned = torch.view_as_complex(x[token, span].reshape(-1, 2)) * torch.exp(
                    1j * at[axis] * turns
                )
                out[token, span] = torch.view_as_real(turned).flatten()
        return out

    def __call__(self, video):
        """The output of each block; video (3, T, H, W)."""
        kind, tubelet = ("_img", 1) if video.shape[1] == 1 else ("", 2)
        patches = video.unfold(1, tubelet, tubelet).unfold(2, 16, 16).unfold(3, 16, 16)  # (3, t, r, c, ...)
        patches = patches.permute(1, 2, 3, 0, 4, 5, 6).flatten(3).flatten(0, 2)  # (L, 3 * tubelet * 256)
        x = patches @ self.weights[f"patch_embed{kind}.proj.weight"].flatten(1).T
        x = x + self.weights[f"patch_embed{kind}.proj.bias"]
        x = x + self.weights["img_mod_embed" if kind else "video_mod_embed"][0, 0]
        outputs = []
        for block in (f"blocks.{i}" for i in range(SIZE.depth)):
            q, k, v = self.linear(self.norm(x, f"{block}.norm1"), f"{block}.attn.qkv").chunk(3, dim=-1)
            heads = []
            for head in (slice(0, 24), slice(24, 48)):
                scores = self.rotated(q[:, head]) @ self.rotated(k[:, head]).T / math.sqrt(24)
                heads.append(scores.softmax(-1) @ v[:, head])
            x = x + self.linear(torch.cat(heads, dim=-1), f"{block}.attn.proj")
            hidden = self.linear(self.norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")
            hidden = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
            x = x + self.linear(hidden, f"{block}.mlp.fc2")
            outputs.append(x)
        return outputs


@pytest.mark.parametrize("frames", [1, 2, 4])
@torch.no_grad()
def test_images_and_videos_are_encoded_by_the_published_equations(encoder, frames):
    video = torch.randn(2, 3, frames, *PICTURE, generator=torch.Generator().manual_seed(frames))
    hand = ByHand(encoder, frames)
    for n in range(2):
        outputs = hand(video[n])
        last = hand.norm(outputs[-1], "norms_block.3")
        levels = [hand.norm(outputs[i], f"norms_block.{k}") for k, i in enumerate((1, 3, 5, 7))]
        torch.testing.assert_close(encoder(video)[n], last, atol=1e-5, rtol=0)
        torch.testing.assert_close(encoder.hierarchy(video)[n], torch.cat(levels, -1), atol=1e-5, rtol=0)


@torch.no_grad()
def test_hidden_tokens_are_left_out_at_their_positions(encoder):
    video = torch.randn(1, 3, 4, *PICTURE)
    every = torch.arange(24)[None]
    torch.testing.assert_close(encoder(video, every.flip(1)).flip(1), encoder(video), atol=1e-5, rtol=0)
    assert encoder(video, every[:, ::3]).shape == (1, 8, 48)


def test_a_video_of_another_shape_is_refused(encoder):
    for shape in ((1, 3, 3, 48, 64), (1, 3, 6, 48, 64), (1, 3, 2, 64, 48)):
        with pytest.raises(ShapeError, match="T 1 or a multiple of 2, at most 4: build it"):
            encoder(torch.zeros(shape))
    with pytest.raises(ConfigError, match="do not divide into tubelets"):
        VJepa21Encoder(SIZE, (50, 64))
