import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from wm_planner.contracts.card import ObservationSpec
from wm_planner.errors import ConfigError
from wm_planner.networks.images import ImagePreprocessor
from wm_planner.networks.masks import frame_causal
from wm_planner.networks.rope import conditioned_positions, grid_positions, rope_tables, rotate
from wm_planner.networks.sigreg import SigReg
from wm_planner.networks.slow_features import SlowFeatures
from wm_planner.networks.transformer import Attention, Block

torch.set_num_threads(1)


def observation(**changes):
    fields = {
        "cameras": ("front", "side"),
        "height": 8,
        "width": 8,
        "joined": "channels",
        "input_shape": (6, 4, 4),
        "mean": 0.25,
        "std": 0.5,
    }
    return ObservationSpec(**{**fields, **changes})


def test_grid_positions_count_columns_fastest_and_time_slowest():
    positions = grid_positions(2, 2, 3).tolist()
    assert positions[:4] == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0]]
    assert positions[6] == [1, 0, 0]


def test_a_rotation_keeps_lengths():
    cos, sin = rope_tables(grid_positions(3, 4, 5), 32)
    x = torch.randn(60, 32)
    torch.testing.assert_close(rotate(x, cos, sin).norm(dim=-1), x.norm(dim=-1))


def test_rotated_products_depend_only_on_the_distance():
    q, k = torch.randn(32), torch.randn(32)

    def score(at_q, at_k):
        cos, sin = rope_tables(torch.tensor([at_q, at_k]), 32)
        return rotate(q, cos[0], sin[0]) @ rotate(k, cos[1], sin[1])

    torch.testing.assert_close(score([0, 1, 2], [1, 3, 2]), score([4, 2, 7], [5, 4, 7]))
    assert not torch.isclose(score([0, 1, 2], [1, 3, 2]), score([0, 1, 2], [1, 2, 2]))


def test_each_axis_rotates_its_own_third_of_the_channels():
    x = torch.randn(64)
    for axis, rotated in enumerate((slice(0, 20), slice(20, 40), slice(40, 60))):
        position = torch.zeros(1, 3)
        position[0, axis] = 2
        cos, sin = rope_tables(position, 64)
        same = rotate(x, cos[0], sin[0]) == x
        assert not same[rotated].any()
        assert same.sum() == 64 - 20


def test_the_first_pair_of_the_time_axis_rotates_by_one_radian_per_frame():
    cos, sin = rope_tables(torch.tensor([[1, 0, 0]]), 64)
    rotated = rotate(torch.tensor([1.0] + [0.0] * 63), cos[0], sin[0])
    torch.testing.assert_close(rotated[:2], torch.tensor([np.cos(1.0), np.sin(1.0)], dtype=torch.float32))


def test_the_tiled_order_repeats_the_list_of_frequencies():
    cos, sin = rope_tables(torch.tensor([[2, 0, 0]]), 64, "tiled")
    angles = 2.0 * 10_000.0 ** -(torch.arange(10, dtype=torch.float64) / 10)
    for table, function in ((cos, torch.cos), (sin, torch.sin)):
        torch.testing.assert_close(table[0, :20], function(angles).float().repeat(2))
        assert table[0, 20:].eq(function(torch.zeros(1))).all()


def test_conditioning_tokens_precede_the_patches_and_have_only_a_time():
    positions = conditioned_positions(2, 2, 1, 2).tolist()
    assert positions[0] == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert positions[1] == [[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 1]]


def test_a_frame_causal_mask_shows_whole_earlier_frames():
    wanted = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert frame_causal(2, 2).int().tolist() == wanted


def test_attention_equals_the_textbook_formula():
    attention, x = Attention(32, 2), torch.randn(3, 6, 32)
    cos, sin = rope_tables(grid_positions(1, 2, 3), 16)
    mask = frame_causal(3, 2)
    q, k, v = attention.qkv(x).view(3, 6, 3, 2, 16).permute(2, 0, 3, 1, 4)
    scores = rotate(q, cos, sin) @ rotate(k, cos, sin).transpose(-1, -2) / 4.0
    attended = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1) @ v
    wanted = attention.proj(attended.transpose(1, 2).reshape(3, 6, 32))
    torch.testing.assert_close(attention(x, cos, sin, mask), wanted)


def test_a_block_has_the_parameter_names_of_v_jepa_2():
    names = {
        name.removesuffix(".weight") for name in Block(32, 2, 4.0).state_dict() if name.endswith("weight")
    }
    assert names == {"norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"}


def test_images_are_averaged_normalised_and_stacked():
    images = torch.randint(0, 256, (5, 2, 8, 8, 3), dtype=torch.uint8)
    got = ImagePreprocessor(observation())(images)
    side = avg_pool2d(images[:, 1].permute(0, 3, 1, 2).float(), 2) / 255
    torch.testing.assert_close(got[:, 3:], (side - 0.25) / 0.5)


def test_each_colour_can_have_its_own_normalisation():
    images = torch.full((1, 2, 8, 8, 3), 255, dtype=torch.uint8)
    spec = observation(
        joined="side_by_side", input_shape=(3, 4, 8), mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25)
    )
    got = ImagePreprocessor(spec)(images)
    assert [got[0, colour].unique().item() for colour in range(3)] == [1.0, 1.0, 0.0]


def test_images_are_joined_side_by_side_in_the_order_of_the_cameras():
    images = torch.zeros(1, 2, 8, 8, 3, dtype=torch.uint8)
    images[:, 1] = 255
    got = ImagePreprocessor(observation(joined="side_by_side", input_shape=(3, 4, 8)))(images)
    assert (got[..., :4] == -0.5).all()
    assert (got[..., 4:] == 1.5).all()


def test_images_that_do_not_fit_are_refused_with_the_closest_shape():
    with pytest.raises(ConfigError, match=r"\(6, 3, 3\).*closest is \(6, 4, 4\)"):
        ImagePreprocessor(observation(input_shape=(6, 3, 3)))


def test_sigreg_is_small_for_a_gaussian_and_large_for_a_point_or_a_line():
    sigreg, gaussian = SigReg(), torch.randn(256, 8)
    scores = [
        float(sigreg(z, torch.Generator().manual_seed(0)))
        for z in (gaussian, gaussian[:, :1].expand(256, 8), torch.zeros(256, 8))
    ]
    assert scores[0] < 2.0
    assert scores[0] * 10 < scores[1] < scores[2]


def test_sigreg_is_determined_by_its_generator():
    sigreg, z = SigReg(), torch.randn(16, 4, 8)
    first, second, third = (sigreg(z, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert first == second != third


def test_slow_features_follow_steady_changes_and_neither_noise_nor_the_background():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(256, 6, 5, generator=generator)
    walk, background = noise[..., :1].cumsum(1), 10 * noise[:, :1, 1:2].expand(-1, 6, -1)
    parts = torch.cat((walk, background, noise[..., 2:]), dim=-1)  # (B, T, 5)
    mixed = parts @ torch.randn(5, 5, generator=generator)
    features = SlowFeatures(1, 5)
    features.fit(mixed.split(64))
    feature = features(mixed.flatten(0, 1)).view(256, 6)
    over_clip = feature[:, -1] - feature[:, 0]
    assert over_clip.square().mean() == pytest.approx(1.0, rel=1e-3)
    steps = torch.stack((feature.diff(dim=1).flatten(), walk[..., 0].diff(dim=1).flatten()))
    assert torch.corrcoef(steps)[0, 1].abs() > 0.8


@pytest.mark.parametrize("shape", [(3,), (9000,)])
def test_slow_features_of_too_small_or_too_large_frames_are_refused(shape):
    with pytest.raises(
        ConfigError, match=r"4 slow features of frames with \d+ values: wanted 4 to 8192 values"
    ):
        SlowFeatures(4, *shape)
