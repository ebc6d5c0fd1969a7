import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from wm_planner.contracts.card import ObservationSpec
from wm_planner.errors import ConfigError
from wm_planner.networks.masks import frame_causal
from wm_planner.networks.pictures import Pictures
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


def test_rotated_products_depend_on_the_distance_alone():
    q, k = torch.randn(32), torch.randn(32)

    def score(at_q, at_k):
        cos, sin = rope_tables(torch.tensor([at_q, at_k]), 32)
        return rotate(q, cos[0], sin[0]) @ rotate(k, cos[1], sin[1])

    torch.testing.assert_close(score([0, 1, 2], [1, 3, 2]), score([4, 2, 7], [5, 4, 7]))
    assert not torch.isclose(score([0, 1, 2], [1, 3, 2]), score([0, 1, 2], [1, 2, 2]))


def test_each_axis_turns_its_own_third_and_the_rest_stays():
    x = torch.randn(64)
    for axis, turned in enumerate((slice(0, 20), slice(20, 40), slice(40, 60))):
        position = torch.zeros(1, 3)
        position[0, axis] = 2
        cos, sin = rope_tables(position, 64)
        same = rotate(x, cos[0], sin[0]) == x
        assert not same[turned].any()
        assert same.sum() == 64 - 20


def test_the_first_pair_of_the_time_axis_turns_by_one_radian_a_frame():
    cos, sin = rope_tables(torch.tensor([[1, 0, 0]]), 64)
    turned = rotate(torch.tensor([1.0] + [0.0] * 63), cos[0], sin[0])
    torch.testing.assert_close(turned[:2], torch.tensor([np.cos(1.0), np.sin(1.0)], dtype=torch.float32))


def test_the_tiled_order_gives_the_list_of_frequencies_twice_over():
    cos, sin = rope_tables(torch.tensor([[2, 0, 0]]), 64, "tiled")
    angles = 2.0 * 10_000.0 ** -(torch.arange(10, dtype=torch.float64) / 10)
    for table, function in ((cos, torch.cos), (sin, torch.sin)):
        torch.testing.assert_close(table[0, :20], function(angles).float().repeat(2))
        assert table[0, 20:].eq(function(torch.zeros(1))).all()


def test_conditions_stand_before_the_patches_of_their_frame_and_carry_its_time_alone():
    positions = conditioned_positions(2, 2, 1, 2).tolist()
    assert positions[0] == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert positions[1] == [[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 1]]


def test_a_frame_causal_mask_shows_whole_frames_of_the_past():
    wanted = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert frame_causal(2, 2).int().tolist() == wanted


def test_attention_equals_the_textbook_formula():
    attention, x = Attention(32, 2), torch.randn(3, 6, 32)
    cos, sin = rope_tables(grid_positions(1, 2, 3), 16)
    mask = frame_causal(3, 2)
    q, k, v = attention.qkv(x).view(3, 6, 3, 2, 16).permute(2, 0, 3, 1, 4)
    scores = rotate(q, cos, sin) @ rotate(k, cos, sin).transpose(-1, -2) / 4.0
    seen = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1) @ v
    wanted = attention.proj(seen.transpose(1, 2).reshape(3, 6, 32))
    torch.testing.assert_close(attention(x, cos, sin, mask), wanted)


def test_a_block_names_its_parameters_as_v_jepa_2_does():
    names = {
        name.removesuffix(".weight") for name in Block(32, 2, 4.0).state_dict() if name.endswith("weight")
    }
    assert names == {"norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"}


def test_pictures_are_averaged_normalised_and_stacked():
    images = torch.randint(0, 256, (5, 2, 8, 8, 3), dtype=torch.uint8)
    got = Pictures(observation())(images)
    side = avg_pool2d(images[:, 1].permute(0, 3, 1, 2).float(), 2) / 255
    torch.testing.assert_close(got[:, 3:], (side - 0.25) / 0.5)


def test_each_colour_has_its_own_normalisation_where_the_card_says_so():
    images = torch.full((1, 2, 8, 8, 3), 255, dtype=torch.uint8)
    spec = observation(
        joined="side_by_side", input_shape=(3, 4, 8), mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25)
    )
    got = Pictures(spec)(images)
    assert [got[0, colour].unique().item() for colour in range(3)] == [1.0, 1.0, 0.0]


def test_pictures_lie_side_by_side_in_the_order_of_the_cameras():
    images = torch.zeros(1, 2, 8, 8, 3, dtype=torch.uint8)
    images[:, 1] = 255
    got = Pictures(observation(joined="side_by_side", input_shape=(3, 4, 8)))(images)
    assert (got[..., :4] == -0.5).all()
    assert (got[..., 4:] == 1.5).all()


def test_pictures_that_do_not_fit_name_the_shape_that_would():
    with pytest.raises(ConfigError, match=r"\(6, 3, 3\).*nearest is \(6, 4, 4\)"):
        Pictures(observation(input_shape=(6, 3, 3)))


def test_sigreg_is_small_for_a_gaussian_and_large_for_a_point_or_a_line():
    sigreg, gaussian = SigReg(), torch.randn(256, 8)
    scores = [
        float(sigreg(z, torch.Generator().manual_seed(0)))
        for z in (gaussian, gaussian[:, :1].expand(256, 8), torch.zeros(256, 8))
    ]
    assert scores[0] < 2.0
    assert scores[0] * 10 < scores[1] < scores[2]


def test_sigreg_is_a_function_of_its_generator():
    sigreg, z = SigReg(), torch.randn(16, 4, 8)
    first, second, third = (sigreg(z, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert first == second != third


def test_slow_features_follow_what_a_clip_changes_and_not_what_jumps_or_stands_still():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(256, 6, 5, generator=generator)
    walk, scenery = noise[..., :1].cumsum(1), 10 * noise[:, :1, 1:2].expand(-1, 6, -1)
    parts = torch.cat((walk, scenery, noise[..., 2:]), dim=-1)  # (B, T, 5)
    mixed = parts @ torch.randn(5, 5, generator=generator)
    features = SlowFeatures(1, 5)
    features.fit(mixed.split(64))
    read = features(mixed.flatten(0, 1)).view(256, 6)
    over_clip = read[:, -1] - read[:, 0]
    assert over_clip.square().mean() == pytest.approx(1.0, rel=1e-3)
    together = torch.corrcoef(torch.stack((read.diff(dim=1).flatten(), walk[..., 0].diff(dim=1).flatten())))
    assert together[0, 1].abs() > 0.8


@pytest.mark.parametrize("shape", [(3,), (9000,)])
def test_slow_features_of_frames_too_small_or_too_large_are_refused(shape):
    with pytest.raises(
        ConfigError, match=r"4 slow features of frames of \d+ numbers: wanted frames of 4 to 8192"
    ):
        SlowFeatures(4, *shape)
