import json

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from wm_planner.errors import BundleError
from wm_planner.networks.vjepa2 import (
    MASKED_PREDICTOR,
    SIZES,
    MaskedPredictor,
    VitSize,
    VJepa2Encoder,
    gather_tokens,
)
from wm_planner.networks.vjepa2_1 import VJepa21Encoder
from wm_planner.networks.vjepa2_ac import AcPredictor
from wm_planner.training.pretrained import load_weights, read_weights
from wm_planner.training.published import (
    published_ac_predictor,
    published_encoder,
    published_masked_predictor,
)
from wm_planner.training.weight_files import checksums

torch.set_num_threads(1)
TINY = VitSize(dim=24, depth=2, heads=2)
PICTURE = (32, 48)


def encoder(seed=0, size=TINY):
    torch.manual_seed(seed)
    return VJepa2Encoder(size, PICTURE, frames=4).eval()


def masked_predictor(seed=0):
    torch.manual_seed(seed)
    network = MaskedPredictor(TINY, 24, (2, 2, 3), mask_tokens=2).eval()
    for token in network.mask_tokens:
        torch.nn.init.normal_(token)
    return network


def published(path, prefix="module.backbone.", **networks):
    """A file in the format of facebookresearch/vjepa2: parts with prefixes, unused positions, scalars."""
    state = {"epoch": 315, "loss": 0.4, "lr": 4e-4}
    for part, network in networks.items():
        state[part] = {prefix + name: array for name, array in network.state_dict().items()}
        state[part][f"{prefix}pos_embed"] = torch.zeros(1, 12, 24)
    torch.save(state, path)
    return path


def hugging_face(encoder, predictor):
    """The arrays of both networks with the names of VJEPA2Model."""
    arrays = {}
    for name, array in {**encoder.state_dict(), **predictor.state_dict()}.items():
        if name.startswith("mask_tokens"):
            continue
        for ours, theirs in (
            ("patch_embed.", "encoder.embeddings.patch_embeddings."),
            ("predictor_embed.", "predictor.embeddings.predictor_embeddings."),
            ("predictor_blocks.", "predictor.layer."),
            ("predictor_norm.", "predictor.layernorm."),
            ("predictor_proj.", "predictor.proj."),
            ("blocks.", "encoder.layer."),
            ("norm.", "encoder.layernorm."),
        ):
            if name.startswith(ours):
                name = theirs + name.removeprefix(ours)
                break
        name = name.replace(".attn.", ".attention.")
        if ".qkv." in name:
            for which, part in zip(("query", "key", "value"), array.chunk(3), strict=True):
                arrays[name.replace("qkv", which)] = part.clone()
        else:
            arrays[name] = array
    arrays["predictor.embeddings.mask_tokens"] = torch.stack(list(predictor.mask_tokens)).detach()
    return arrays


def same(network, other):
    state, wanted = network.state_dict(), other.state_dict()
    return state.keys() == wanted.keys() and all(torch.equal(state[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("prefix", ["", "module.", "module.backbone.", "_orig_mod.module."])
def test_a_part_of_a_published_file_is_loaded_with_any_prefix(tmp_path, prefix):
    online, target = encoder(1), encoder(2)
    path = published(tmp_path / "vit.pt", prefix, encoder=online, target_encoder=target)
    for part, wanted in (("encoder", online), ("target_encoder", target)):
        network = encoder()
        report = load_weights(network, read_weights(path, part))
        assert same(network, wanted)
        assert report.loaded == len(wanted.state_dict())
        assert report.left_over == ("pos_embed",)


def test_a_network_on_the_meta_device_is_complete_once_it_is_loaded(tmp_path):
    wanted = encoder(1)
    with torch.device("meta"):
        network = VJepa2Encoder(TINY, PICTURE, frames=4)
    load_weights(network, read_weights(published(tmp_path / "vit.pt", encoder=wanted), "encoder"))
    video = torch.randn(1, 3, 4, *PICTURE)
    assert torch.equal(network(video), wanted(video))


def test_a_hugging_face_model_is_loaded_from_a_file_or_its_folder(tmp_path):
    arrays = hugging_face(encoder(1), masked_predictor(2))
    save_file({**arrays, "classifier.weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    network, predictor = encoder(), masked_predictor()
    report = load_weights(network, read_weights(tmp_path / "model.safetensors", "encoder"))
    load_weights(predictor, read_weights(tmp_path, "predictor"))
    assert same(network, encoder(1))
    assert same(predictor, masked_predictor(2))
    assert report.left_over == ("classifier.weight",)


def named(prefix="", **networks):
    """The arrays of all networks in one dictionary, by part and name."""
    state = {part: network.state_dict() for part, network in networks.items()}
    return {f"{prefix}{part}.{name}": a for part, arrays in state.items() for name, a in arrays.items()}


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module."])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_names_may_begin_with_the_part_in_files_of_both_formats(tmp_path, suffix, prefix):
    path, arrays = (
        tmp_path / f"own.{suffix}",
        named(prefix, encoder=encoder(1), predictor=masked_predictor(2)),
    )
    if suffix == "pt":
        torch.save({**arrays, "epoch": 3}, path)
    else:
        save_file(arrays, path)
    network, predictor = encoder(), masked_predictor()
    load_weights(network, read_weights(path, "encoder"))
    load_weights(predictor, read_weights(path, "predictor"))
    assert same(network, encoder(1)) and same(predictor, masked_predictor(2))


def sharded(folder):
    """A Hugging Face model in two files; returns the index."""
    arrays = hugging_face(encoder(1), masked_predictor(2))
    names = sorted(arrays)
    files = {name: f"model-0000{1 + (i > 9)}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: arrays[name].clone() for name in names if files[name] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": files}))
    (folder / "config.json").write_text(json.dumps({"num_attention_heads": 2, "pred_num_attention_heads": 2}))
    return index


def test_a_hugging_face_model_in_several_files_is_loaded(tmp_path):
    index = sharded(tmp_path)
    for path in (index, tmp_path):
        assert same(published_encoder(path, "encoder", PICTURE, 4)[0], encoder(1))
        assert same(published_masked_predictor(path, (2, 2, 3))[0], masked_predictor(2))
    assert len(checksums(tmp_path)) == 3


def test_an_index_that_lists_what_is_not_there_is_refused(tmp_path):
    index = sharded(tmp_path)
    content = json.loads(index.read_text())
    content["weight_map"]["encoder.more"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"00001-of-00002\.safetensors lacks encoder\.more \(1 arrays"):
        read_weights(tmp_path, "encoder")
    for name in ("none.safetensors", f"../{tmp_path.name}/model-00001-of-00002.safetensors"):
        index.write_text(json.dumps({"weight_map": {"encoder.more": name}}))
        with pytest.raises(BundleError, match=rf"there is no {name} next to it; download all files"):
            read_weights(tmp_path, "encoder")
    index.write_text("[]")
    with pytest.raises(BundleError, match="not an index of weights"):
        read_weights(tmp_path, "encoder")


def test_a_file_of_an_old_torch_says_how_to_save_it_again(tmp_path):
    state = {"encoder": encoder(1).state_dict()}
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(BundleError, match=r"torch before 1\.6; save it again: torch\.save\(torch\.load\("):
        read_weights(tmp_path / "old.pt", "encoder")


def test_numbers_of_numpy_do_not_keep_a_file_from_being_loaded(tmp_path):
    numbers = {"loss": np.float64(0.4), "lr": np.float32(1e-3), "epoch": np.int64(3), "best": np.bool_(True)}
    torch.save({"encoder": encoder(1).state_dict(), **numbers}, tmp_path / "vit.pt")
    network = encoder()
    load_weights(network, read_weights(tmp_path / "vit.pt", "encoder"))
    assert same(network, encoder(1))


def test_a_layer_without_query_key_or_value_is_refused(tmp_path):
    arrays = hugging_face(encoder(1), masked_predictor(2))
    del arrays["encoder.layer.1.attention.key.bias"]
    save_file(arrays, tmp_path / "model.safetensors")
    with pytest.raises(BundleError, match=r"blocks\.1\.attn\.qkv\.bias is missing there, \(72,\) here"):
        load_weights(encoder(), read_weights(tmp_path, "encoder"))


def test_weights_of_another_model_are_refused_with_the_first_differences(tmp_path):
    path = published(tmp_path / "vit.pt", encoder=encoder(1, VitSize(dim=48, depth=2, heads=2)))
    network = encoder()
    with pytest.raises(
        BundleError,
        match=r"weights of another model, 28 of 28 arrays differ: patch_embed\.proj\.weight is "
        r"\(48, 3, 2, 16, 16\) there, \(24, 3, 2, 16, 16\) here; .*; \.\.\.; build",
    ):
        load_weights(network, read_weights(path, "encoder"))
    assert same(network, encoder())


def test_unknown_and_missing_arrays_are_refused(tmp_path):
    arrays = {**encoder(1).state_dict(), "head.weight": torch.zeros(2)}
    del arrays["norm.bias"]
    torch.save({"encoder": arrays}, tmp_path / "vit.pt")
    network = encoder()
    with pytest.raises(
        BundleError, match=r"2 of 29.*norm\.bias is missing there, \(24,\) here; head\.weight"
    ):
        load_weights(network, read_weights(tmp_path / "vit.pt", "encoder"))
    assert same(network, encoder())


def test_a_missing_part_is_answered_with_the_known_ones(tmp_path):
    path = published(tmp_path / "vit.pt", encoder=encoder(), predictor=masked_predictor())
    with pytest.raises(BundleError, match=r"no part 'target_encoder'.*known: encoder, predictor"):
        read_weights(path, "target_encoder")


@pytest.mark.parametrize("name", ["vit.pt", "model.safetensors"])
def test_a_corrupt_file_is_refused(tmp_path, name):
    published(tmp_path / "vit.pt", encoder=encoder())
    save_file(hugging_face(encoder(), masked_predictor()), tmp_path / "model.safetensors")
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(BundleError, match=r"corrupt.*download it again"):
        read_weights(path, "encoder")


class Malice:
    def __reduce__(self):
        return (print, ("code ran",))


def test_code_in_a_file_is_refused_and_does_not_run(tmp_path, capsys):
    torch.save({"encoder": {"weight": torch.zeros(1)}, "extra": Malice()}, tmp_path / "vit.pt")
    with pytest.raises(BundleError, match="contains more than arrays"):
        read_weights(tmp_path / "vit.pt", "encoder")
    assert "code ran" not in capsys.readouterr().out


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"no weights at .*vit\.pt"):
        read_weights(tmp_path / "vit.pt", "encoder")


def test_published_networks_are_built_in_the_size_of_the_file(tmp_path):
    torch.manual_seed(0)
    wanted = VJepa2Encoder(SIZES["tiny"], (32, 32), frames=4)
    path = published(tmp_path / "vit.pt", target_encoder=wanted)
    network, report = published_encoder(path, "target_encoder", picture=(32, 64), frames=2)
    assert network.size == SIZES["tiny"]
    assert report.left_over == ("pos_embed",)
    assert network(torch.zeros(1, 3, 2, 32, 64)).shape == (1, 8, 192)
    assert not any(array.is_meta for array in (*network.parameters(), *network.buffers()))


@pytest.mark.parametrize("part", ["ema_encoder", "target_encoder"])
def test_an_encoder_of_v_jepa_2_1_is_recognised_by_its_arrays(tmp_path, part):
    torch.manual_seed(1)
    wanted = VJepa21Encoder(TINY, PICTURE, frames=4).eval()
    path = tmp_path / "vjepa2_1.pt"
    torch.save({part: {f"module.backbone.{n}": a for n, a in wanted.state_dict().items()}}, path)
    network, report = published_encoder(path, part, PICTURE, 4, heads=2)
    assert isinstance(network, VJepa21Encoder) and report.loaded == len(wanted.state_dict())
    video = torch.randn(1, 3, 4, *PICTURE)
    assert torch.equal(network(video), wanted(video))
    assert torch.equal(network(video[:, :, :1]), wanted(video[:, :, :1]))


def test_published_predictors_take_the_tokens_of_their_encoders(tmp_path):
    torch.manual_seed(0)
    wanted = {
        "ac": AcPredictor(TINY, 24, (2, 3)),
        "masked": MaskedPredictor(TINY, 24, (2, 2, 3), mask_tokens=2),
    }
    for name, network in wanted.items():
        published(tmp_path / f"{name}.pt", "module.", predictor=network)
    ac, _ = published_ac_predictor(tmp_path / "ac.pt", grid=(2, 3), heads=2)
    masked, _ = published_masked_predictor(tmp_path / "masked.pt", (2, 2, 3), heads=2)
    assert same(ac, wanted["ac"])
    assert same(masked, wanted["masked"])
    with pytest.raises(BundleError, match=r"weights of another model.*action_encoder\.weight is missing"):
        published_ac_predictor(tmp_path / "masked.pt", heads=2)


def test_published_heads_depend_on_the_kind_of_network(tmp_path):
    """The published masked predictor has the width and depth of the small encoder, but twice its heads."""
    grid = (2, 2, 3)
    torch.manual_seed(0)
    wanted = MaskedPredictor(MASKED_PREDICTOR, 24, grid, mask_tokens=2).eval()
    published(tmp_path / "masked.pt", "module.", predictor=wanted)
    network, _ = published_masked_predictor(tmp_path / "masked.pt", grid)
    tokens, seen, hidden = torch.randn(1, 3, 24), torch.tensor([[0, 1, 5]]), torch.tensor([[2, 7]])
    assert torch.equal(network(tokens, seen, hidden), wanted(tokens, seen, hidden))
    published(tmp_path / "small.pt", encoder=VJepa2Encoder(SIZES["small"], PICTURE, frames=4))
    assert published_encoder(tmp_path / "small.pt", "encoder", PICTURE, 4)[0].size == SIZES["small"]


@pytest.mark.parametrize("part", ["encoder", "predictor"])
def test_an_unpublished_size_needs_its_heads(tmp_path, part):
    path = published(tmp_path / "vit.pt", encoder=encoder(), predictor=masked_predictor())

    def build(heads=None):
        if part == "encoder":
            return published_encoder(path, part, PICTURE, 4, heads)
        return published_masked_predictor(path, (2, 2, 3), heads)

    with pytest.raises(
        BundleError, match=r"2 layers `\w+` of width 24 are not a published size .*pass it as"
    ):
        build()
    assert same(build(heads=2)[0], encoder() if part == "encoder" else masked_predictor())
    with pytest.raises(BundleError, match=r"dim is 24, wanted a multiple of twice the 5 heads"):
        build(heads=5)


def test_the_heads_of_a_hugging_face_model_come_from_its_configuration(tmp_path):
    save_file(hugging_face(encoder(), masked_predictor()), tmp_path / "model.safetensors")
    config = {"num_attention_heads": 4, "pred_num_attention_heads": 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert published_encoder(tmp_path, "encoder", PICTURE, 4)[0].size.heads == 4
    predictor, _ = published_masked_predictor(tmp_path, (2, 2, 3))
    assert predictor.predictor_blocks[0].attn.heads == 3
    with pytest.raises(
        BundleError, match=r"trained with 4 attention heads, the network has 2: build it with"
    ):
        load_weights(encoder(), read_weights(tmp_path, "encoder"))
    with pytest.raises(BundleError, match=r"trained with 4 attention heads, the network has 2"):
        published_encoder(tmp_path, "encoder", PICTURE, 4, heads=2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"layer_norm_eps": 1e-5}', "layer_norm_eps is 1e-05, our networks support only 1e-06"),
        ('{"hidden_act": "relu"}', "hidden_act is 'relu', our networks support only 'gelu'"),
        ('{"hidden_size": 1024}', "hidden_size is 1024, the weights next to it have 24: these are files of"),
        ('{"num_hidden_layers": 12}', "num_hidden_layers is 12, the weights next to it have 2"),
        ("{", "not a model configuration"),
    ],
)
def test_a_hugging_face_model_with_other_settings_is_refused(tmp_path, text, reason):
    save_file(hugging_face(encoder(), masked_predictor()), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BundleError, match=rf"config\.json: {reason}"):
        read_weights(tmp_path, "encoder")


def test_the_heads_of_a_run_come_from_its_recipe(tmp_path):
    arrays = {f"target_encoder.{name}": array for name, array in encoder().state_dict().items()}
    torch.save({"model": arrays}, tmp_path / "checkpoint.pt")
    (tmp_path / "run.yaml").write_text("recipe: {encoder: {dim: 24, depth: 2, heads: 3}, seed: 0}")
    assert read_weights(tmp_path, "target_encoder").heads == 3
    with pytest.raises(BundleError, match=r"trained with 3 attention heads, the network has 2"):
        load_weights(encoder(), read_weights(tmp_path, "target_encoder"))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (torch.full((24,), torch.nan), "norm.bias has non-finite values"),
        (torch.zeros(24, dtype=torch.int8), "norm.bias has dtype torch.int8, wanted finite floating-point"),
    ],
)
def test_arrays_with_unusable_values_are_refused(tmp_path, array, reason):
    torch.save({"encoder": {**encoder(1).state_dict(), "norm.bias": array}}, tmp_path / "vit.pt")
    network = encoder()
    with pytest.raises(BundleError, match=reason):
        load_weights(network, read_weights(tmp_path / "vit.pt", "encoder"))
    assert same(network, encoder())


def test_a_file_with_a_damaged_byte_is_refused(tmp_path):
    path = published(tmp_path / "vit.pt", encoder=encoder())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"corrupt, the checksum of vit/data/\d+ is wrong; download it"):
        read_weights(path, "encoder")


@pytest.fixture(scope="session")
def transformers(skip_loudly):
    try:
        import transformers
    except ModuleNotFoundError:
        skip_loudly("no transformers to compare Hugging Face's V-JEPA 2 with; pip install transformers")
    return transformers


@pytest.mark.parametrize("name", SIZES)
def test_a_hugging_face_model_of_every_published_width_matches_ours(tmp_path, transformers, name):
    torch.manual_seed(0)
    size = msgspec.structs.replace(SIZES[name], depth=1)
    config = transformers.VJEPA2Config(
        crop_size=32,
        frames_per_clip=4,
        hidden_size=size.dim,
        num_attention_heads=size.heads,
        num_hidden_layers=1,
        mlp_ratio=size.mlp_ratio,
        pred_hidden_size=24,
        pred_num_attention_heads=2,
        pred_num_hidden_layers=2,
        pred_num_mask_tokens=2,
    )
    theirs = transformers.VJEPA2Model(config).eval()
    theirs.save_pretrained(tmp_path)
    network = VJepa2Encoder(size, (32, 32), frames=4)
    predictor = MaskedPredictor(TINY, size.dim, network.grid, mask_tokens=2)
    load_weights(network, read_weights(tmp_path, "encoder"))
    load_weights(predictor, read_weights(tmp_path, "predictor"))
    video = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 4, 3, 32, 32), np.float32))
    seen, wanted = torch.tensor([[0, 1, 5], [2, 3, 4]]), torch.tensor([[2, 7], [0, 6]])
    with torch.no_grad():
        out = theirs(video, context_mask=[seen], target_mask=[wanted])
        tokens = network(video.transpose(1, 2))
        filled = predictor(gather_tokens(tokens, seen), seen, wanted)
    torch.testing.assert_close(tokens, out.last_hidden_state, atol=1e-5, rtol=0)
    torch.testing.assert_close(filled, out.predictor_output.last_hidden_state, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_masked_predictor_of_the_published_size_matches_hugging_face(tmp_path, transformers):
    torch.manual_seed(0)
    config = transformers.VJEPA2Config(
        crop_size=64, frames_per_clip=4, hidden_size=192, num_attention_heads=3, num_hidden_layers=1
    )
    theirs = transformers.VJEPA2Model(config).eval()
    for weight in theirs.predictor.parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=0.05)  # at the initial 0.02 tokens hardly attend
    theirs.save_pretrained(tmp_path)
    ours, report = published_masked_predictor(tmp_path, (2, 4, 4))
    assert len(ours.predictor_blocks) == 12 and len(ours.mask_tokens) == 10 and not report.left_over
    video = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 4, 3, 64, 64), np.float32))
    seen, wanted = torch.arange(0, 32, 2)[None], torch.arange(1, 32, 2)[None]
    out = theirs(video, context_mask=[seen], target_mask=[wanted])
    hidden = out.predictor_output.last_hidden_state
    tokens = gather_tokens(out.last_hidden_state, seen)
    torch.testing.assert_close(ours(tokens, seen, wanted), hidden, atol=1e-5, rtol=0)
    with pytest.raises(BundleError, match="trained with 12 attention heads, the network has 6"):
        published_masked_predictor(tmp_path, (2, 4, 4), heads=6)


@pytest.mark.parametrize(
    "state",
    [
        {"model": torch.zeros(2)},
        {"model": [1, 2]},
        {"encoder": {0: torch.zeros(2)}},
        {1: {"a": torch.zeros(2)}},
    ],
)
def test_torch_files_without_a_network_are_refused(tmp_path, state):
    torch.save(state, tmp_path / "odd.pt")
    with pytest.raises(BundleError, match="has no part 'encoder'"):
        read_weights(tmp_path / "odd.pt", "encoder")


@pytest.mark.parametrize("norm", [None, torch.zeros(())])
def test_a_network_without_blocks_is_refused(tmp_path, norm):
    arrays = {"a.weight": torch.zeros(2)} | ({} if norm is None else {"blocks.0.norm1.weight": norm})
    torch.save({"encoder": arrays}, tmp_path / "other.pt")
    with pytest.raises(BundleError, match="not a V-JEPA 2 network"):
        published_encoder(tmp_path / "other.pt", "encoder", PICTURE, 4)
