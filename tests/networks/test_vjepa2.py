import ast

import numpy as np
import pytest
import torch

from wm_planner.errors import ConfigError, ShapeError
from wm_planner.networks.masks import LONG_RANGE, SHORT_RANGE, BlockMask, BlockSampler
from wm_planner.networks.vjepa2 import (
    MASKED_PREDICTOR,
    SIZES,
    MaskedPredictor,
    VitSize,
    VJepa2Encoder,
    normalise,
)
from wm_planner.networks.vjepa2_ac import AC_PREDICTOR, AcPredictor

torch.set_num_threads(1)
MAX_ABS_ERROR = 1e-5
TINY = VitSize(dim=32, depth=3, heads=2)
PARAMETERS = {
    "tiny": 5_633_856,
    "small": 21_884_544,
    "base": 86_236_416,
    "large": 303_885_312,
    "huge": 631_648_000,
    "giant": 1_012_173_952,
}


def parameters(network):
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("name", SIZES)
def test_an_encoder_of_every_published_size_has_its_number_of_parameters(name):
    with torch.device("meta"):
        encoder = VJepa2Encoder(SIZES[name], (256, 256))
    assert parameters(encoder) == PARAMETERS[name]
    assert len(encoder.state_dict()) == 4 + 12 * SIZES[name].depth
    assert not encoder.cos.is_meta


def test_the_predictors_have_their_published_number_of_parameters():
    with torch.device("meta"):
        masked = MaskedPredictor(MASKED_PREDICTOR, SIZES["giant"].dim, (8, 16, 16))
        ac = AcPredictor(AC_PREDICTOR, SIZES["giant"].dim, (16, 16))
    assert parameters(masked) == 22_381_312
    assert parameters(ac) == 305_220_992
    assert len(ac.state_dict()) == 300


class Reference:
    """One file of reference values, and our networks loaded with exactly its weights."""

    def __init__(self, path):
        self.arrays = dict(np.load(path))
        config = ast.literal_eval(str(self.arrays["meta/config"]))
        masked, ac = config["masked_predictor"], config["ac_predictor"]
        dim = config["encoder"]["dim"]
        self.encoder = VJepa2Encoder(self.size(config["encoder"]), config["img"], config["frames"])
        self.masked = MaskedPredictor(self.size(masked), dim, self.encoder.grid, masked["num_mask_tokens"])
        grid, frames, extrinsics = self.encoder.grid[1:], ac["num_frames"], ac["use_extrinsics"]
        self.ac = AcPredictor(self.size(ac), dim, grid, frames, extrinsics)
        self.mask = masked["mask_index"]
        for name, network in (
            ("encoder", self.encoder),
            ("masked_predictor", self.masked),
            ("ac_predictor", self.ac),
        ):
            network.load_state_dict(self.weights(name), strict=True)

    @staticmethod
    def size(config):
        return VitSize(**{key: config[key] for key in VitSize.__struct_fields__ if key in config})

    def weights(self, network):
        prefix = network + "/"
        return {key.removeprefix(prefix): self[key] for key in self.arrays if key.startswith(prefix)}

    def __getitem__(self, key):
        return torch.from_numpy(self.arrays[key])

    def of(self, kind):
        """The suffixes of keys that start with `kind`, e.g. T2, T4; shortest clip first."""
        return sorted(key.removeprefix(kind) for key in self.arrays if key.startswith(kind))

    def ac_inputs(self, length):
        """Tokens, action, state, and extrinsics or None, of the clip called `length`."""
        frames = self[f"in/ac_a_{length}"].shape[1]
        tokens = self[f"in/ac_z_{length}"].unflatten(1, (frames, -1))
        extrinsics = self[f"in/ac_e_{length}"] if f"in/ac_e_{length}" in self.arrays else None
        return tokens, self[f"in/ac_a_{length}"], self[f"in/ac_s_{length}"], extrinsics

    def check(self, got, key):
        error = (got - self[f"out/{key}"]).abs().max().item()
        print(f"{key}: max abs error {error:.1e}")
        assert error <= MAX_ABS_ERROR


@pytest.fixture(scope="module", params=["square", "wide_extrinsics"])
def reference(request, shared_data):
    return Reference(shared_data("vjepa2_reference") / f"{request.param}.npz")


@torch.no_grad()
def test_the_encoder_matches_the_reference_for_short_and_long_videos(reference):
    for length in reference.of("in/video_"):
        reference.check(reference.encoder(reference[f"in/video_{length}"]), f"encoder_{length}")


@torch.no_grad()
def test_the_encoder_matches_the_reference_for_masked_videos(reference):
    video = reference["in/video_" + reference.of("in/video_")[-1]]
    reference.check(reference.encoder(video, reference["in/mask_context"]), "encoder_masked")


@torch.no_grad()
def test_the_masked_predictor_matches_the_reference(reference):
    places = reference["in/mask_context"], reference["in/mask_target"]
    filled = reference.masked(reference["out/encoder_masked"], *places, reference.mask)
    reference.check(filled, "masked_predictor")


@torch.no_grad()
def test_the_ac_predictor_matches_the_reference(reference):
    for length in reference.of("in/ac_z_"):
        reference.check(reference.ac(*reference.ac_inputs(length)).flatten(1, 2), f"ac_{length}")


@torch.no_grad()
def test_extending_frame_by_frame_matches_the_reference(reference):
    network, (tokens, action, state, extrinsics) = reference.ac, reference.ac_inputs("T4")
    past, rows = network.empty_past(), []
    for t in range(4):
        camera = None if extrinsics is None else extrinsics[:, t]
        row, new = network.extend(torch.tensor(t), tokens[:, t], action[:, t], state[:, t], past, camera)
        past = append(past, new)
        rows.append(row)
    reference.check(torch.cat(rows, dim=1), "ac_T4")


def append(past, new):
    """The keys and values of earlier frames followed by those of a new one."""
    return [
        tuple(torch.cat((a.expand(len(b), -1, -1, -1), b), dim=2) for a, b in zip(old, own, strict=True))
        for old, own in zip(past, new, strict=True)
    ]


def predictor(extrinsics=False, frames=8):
    torch.manual_seed(0)
    return AcPredictor(TINY, 24, (2, 3), frames, extrinsics).eval()


def clip(batch=2, frames=4, extrinsics=False):
    generator = torch.Generator().manual_seed(1)
    sizes = [(6, 24), (7,), (7,), *([(6,)] if extrinsics else [])]
    return [torch.randn(batch, frames, *size, generator=generator) for size in sizes]


@pytest.mark.parametrize("which", [0, 1, 2, 3])
@torch.no_grad()
def test_a_change_in_a_frame_does_not_affect_earlier_frames(which):
    network, inputs = predictor(extrinsics=True), clip(extrinsics=True)
    before = network(*inputs)
    inputs[which] = inputs[which].clone()
    inputs[which][:, 2] += 1.0
    after = network(*inputs)
    assert torch.equal(before[:, :2], after[:, :2])
    assert (before[:, 2:] != after[:, 2:]).any(dim=-1).all()


@pytest.mark.parametrize("extrinsics", [False, True])
@torch.no_grad()
def test_a_rollout_with_cached_keys_and_values_equals_recomputation(extrinsics):
    network = predictor(extrinsics)
    first, *rest = clip(batch=3, frames=8, extrinsics=extrinsics)
    frames, past, imagined = first[:, :1], network.empty_past(), []
    for t in range(8):
        conditions = [array[:, t] for array in rest]
        tokens, new = network.extend(
            torch.tensor(t), frames[:, t], *conditions[:2], past, *(conditions[2:] or [None])
        )
        past = append(past, new)
        recomputed = network(frames, *(array[:, : t + 1] for array in rest))[:, -1]
        torch.testing.assert_close(tokens, recomputed, atol=MAX_ABS_ERROR, rtol=0)
        frames = torch.cat((frames, normalise(tokens).unsqueeze(1)), dim=1)
        imagined.append(tokens)
    assert not torch.allclose(imagined[0], imagined[-1])


@torch.no_grad()
def test_a_cache_may_have_a_fixed_size_and_be_shared_by_all_candidates():
    network, (tokens, action, state) = predictor(), clip(batch=1, frames=3)
    new = [network.extend(torch.tensor(0), tokens[:, 0], action[:, 0], state[:, 0], network.empty_past())[1]]
    wide = [
        tuple(torch.nn.functional.pad(array, (0, 0, 0, 99), value=1e3) for array in layer) for layer in new[0]
    ]
    candidates = torch.randn(5, 7)
    frame = [array[:, 1].expand(5, *array.shape[2:]) for array in (tokens, state)]
    got, _ = network.extend(torch.tensor(1), frame[0], candidates, frame[1], wide)
    for n in range(5):
        actions = torch.stack((action[0, 0], candidates[n])).unsqueeze(0)
        wanted = network(tokens[:, :2], actions, state[:, :2])[0, 1]
        torch.testing.assert_close(got[n], wanted, atol=MAX_ABS_ERROR, rtol=0)


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="2x16x16: change the size"):
        VJepa2Encoder(TINY, (60, 64), 4)
    encoder = VJepa2Encoder(TINY, (32, 48), 4)
    with pytest.raises(ShapeError, match=r"\(1, 3, 6, 32, 48\).*a multiple of 2, at most 4"):
        encoder(torch.zeros(1, 3, 6, 32, 48))
    with pytest.raises(ShapeError, match=r"\(1, 3, 2, 48, 32\).*\(B, 3, T, 32, 48\)"):
        encoder(torch.zeros(1, 3, 2, 48, 32))
    with pytest.raises(ShapeError, match="got 4 frames, the predictor takes at most 2"):
        predictor(frames=2)(*clip())
    with pytest.raises(ShapeError, match="no extrinsics, but the predictor was built with"):
        predictor(extrinsics=True)(*clip())


@pytest.mark.parametrize(("mask", "hidden"), [(SHORT_RANGE, (0.55, 0.9)), (LONG_RANGE, (0.7, 0.97))])
def test_masks_hide_the_expected_fraction_in_all_frames(mask, hidden):
    grid = (4, 16, 16)
    sampler, generator = BlockSampler(mask, grid), torch.Generator().manual_seed(0)
    fractions = []
    for _ in range(20):
        seen, wanted = sampler.draw(6, generator)
        assert seen.shape[0] == wanted.shape[0] == 6
        for row_seen, row_wanted in zip(seen, wanted, strict=True):
            assert len(row_seen.unique()) == len(row_seen)
            assert not set(row_seen.tolist()) & set(row_wanted.tolist())
        assert (seen.diff(dim=1) > 0).all()
        assert (wanted.diff(dim=1) > 0).all()
        fractions.append(1 - seen.shape[1] / 1024)
    assert hidden[0] < np.mean(fractions) < hidden[1]
    _, wanted = sampler.draw(1, generator)
    assert (torch.bincount(wanted[0] % 256, minlength=256) % 4 == 0).all()


def test_masks_are_determined_by_their_generator():
    sampler = BlockSampler(SHORT_RANGE, (2, 4, 6))
    first, second, third = (sampler.draw(3, torch.Generator().manual_seed(seed))[1] for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert first.shape != third.shape or not torch.equal(first, third)


def test_blocks_have_their_area_and_aspect_on_grids_that_are_not_square():
    sampler = BlockSampler(BlockMask(blocks=1, area=0.25, aspect=(1.0, 1.0)), (3, 8, 32))
    _, wanted = sampler.draw(1, torch.Generator().manual_seed(0))
    assert wanted.shape == (1, 3 * 8 * 8)


def test_masks_that_hide_every_token_are_refused():
    everything = BlockSampler(BlockMask(blocks=1, area=1.0, aspect=(1.0, 1.0)), (2, 4, 4))
    with pytest.raises(ConfigError, match=r"covered the whole grid of \(2, 4, 4\)"):
        everything.draw(1, torch.Generator().manual_seed(0))
