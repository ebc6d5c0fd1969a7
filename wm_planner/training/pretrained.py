"""Pretrained weights from local files: read without executing code, and loaded strictly.

Supported are files of facebookresearch/vjepa2 (a torch dictionary of parts, with key prefixes `module.` and
`backbone.`), of Hugging Face's VJEPA2Model (safetensors with other names, and with separate queries, keys and
values), files of either format whose names begin with the part (`encoder.`, `predictor.`), and folders of our
training runs.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from wm_planner.errors import BundleError, did_you_mean
from wm_planner.networks.transformer import Attention
from wm_planner.training.declared import declared_heads
from wm_planner.training.weight_files import read_safetensors, read_torch, weights_file

UNUSED = frozenset({"pos_embed", "predictor_pos_embed"})
"""Arrays of published files that are not used, because position embeddings are rotary."""

PARTS = frozenset({"encoder", "target_encoder", "ema_encoder", "predictor"})
"""The networks of published files."""

_PREFIX = re.compile(r"^(?:module\.|backbone\.|_orig_mod\.|vjepa2\.)+")
"""Of data-parallel and compiled networks, and of Hugging Face's classifiers."""

SHOWN = 3
"""Number of differing arrays that an error lists."""

TO_REFERENCE = (
    (r"^encoder\.embeddings\.patch_embeddings\.", "patch_embed."),
    (r"^encoder\.layer\.", "blocks."),
    (r"^encoder\.layernorm\.", "norm."),
    (r"^predictor\.embeddings\.predictor_embeddings\.", "predictor_embed."),
    (r"^predictor\.layer\.", "predictor_blocks."),
    (r"^predictor\.layernorm\.", "predictor_norm."),
    (r"^predictor\.proj\.", "predictor_proj."),
    (r"\.attention\.", ".attn."),
)
"""Patterns of Hugging Face's names, and the reference's names."""


class Weights(NamedTuple):
    """The arrays of one network.

    Attributes:
        source: file and part, for errors.
        arrays: arrays by the reference's names.
        left_over: names in the file that are not part of V-JEPA 2, e.g. those of a classifier.
        heads: number of attention heads, if a file next to the weights declares it.
    """

    source: str
    arrays: Mapping[str, Tensor]
    left_over: tuple[str, ...] = ()
    heads: int | None = None


class LoadReport(NamedTuple):
    """The result of loading weights.

    Attributes:
        source: file and part.
        loaded: number of arrays loaded.
        left_over: names of unused arrays in the file.
    """

    source: str
    loaded: int
    left_over: tuple[str, ...]


def read_weights(path: str | Path, part: str) -> Weights:
    """Read the weights of one network.

    Args:
        path: a file, or the folder of a training run or of a Hugging Face model.
        part: of `PARTS` in a published file; `encoder` or `predictor` of a Hugging Face model; an attribute
            of the network, e.g. `target_encoder`, of a run.

    Raises:
        BundleError: if the file or the part does not exist, the file is corrupt or contains code, or its
            configuration has settings that our networks do not support.
    """
    file = weights_file(Path(path))
    parts, left_over = _parts_of(file)
    if part not in parts:
        raise BundleError(f"{file} has no part '{part}', {did_you_mean(part, parts)}")
    arrays = parts[part]
    return Weights(f"{file}: {part}", arrays, left_over, declared_heads(file, part, arrays))


def load_weights(network: nn.Module, weights: Weights) -> LoadReport:
    """Load `weights` into `network`, which may be on the meta device.

    Raises:
        BundleError: for other names or shapes, another number of attention heads, or arrays with non-finite
            or integer values; the network is not changed.
    """
    wanted = network.state_dict()
    unused = sorted(UNUSED & weights.arrays.keys() - wanted.keys())
    got = {name: array for name, array in weights.arrays.items() if name not in unused}
    wrong = [
        f"{name} is {_shape(got.get(name))} there, {_shape(wanted.get(name))} here"
        for name in [*wanted, *(name for name in got if name not in wanted)]
        if _shape(got.get(name)) != _shape(wanted.get(name))
    ]
    if wrong:
        raise BundleError(
            f"{weights.source}: weights of another model, {len(wrong)} of {len(wanted | got)} arrays differ: "
            f"{'; '.join(wrong[:SHOWN])}{'; ...' if len(wrong) > SHOWN else ''}; build the network in the "
            "size of the file, or choose another file or part"
        )
    heads = {module.heads for module in network.modules() if isinstance(module, Attention)}
    if weights.heads is not None and heads and heads != {weights.heads}:
        raise BundleError(
            f"{weights.source}: trained with {weights.heads} attention heads, the network has "
            f"{', '.join(map(str, heads))}: build it with heads={weights.heads}"
        )
    for name, array in got.items():
        if not array.is_floating_point() or not torch.isfinite(array).all():
            kind = "non-finite values" if array.is_floating_point() else f"dtype {array.dtype}"
            raise BundleError(f"{weights.source}: {name} has {kind}, wanted finite floating-point values")
    network.load_state_dict(got, strict=True, assign=any(array.is_meta for array in wanted.values()))
    return LoadReport(weights.source, len(got), (*unused, *weights.left_over))


def _shape(array: Tensor | None) -> str:
    return "missing" if array is None else str(tuple(array.shape))


def _parts_of(file: Path) -> tuple[dict[str, dict[str, Tensor]], tuple[str, ...]]:
    """The networks in a file by part, with the reference's names, and the names of all other arrays."""
    if ".safetensors" in file.suffixes:
        return _named_parts(read_safetensors(file))
    state = {name: value for name, value in read_torch(file).items() if isinstance(name, str)}
    if _is_state_dict(model := state.get("model")):
        return _run_parts(model), ()
    if parts := {part: arrays for part, arrays in state.items() if _is_state_dict(arrays)}:
        return {part: _without_prefixes(arrays) for part, arrays in parts.items()}, ()
    return _named_parts({name: a for name, a in state.items() if isinstance(a, Tensor)})


def _without_prefixes(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_PREFIX.sub("", name): array for name, array in arrays.items()}


def _is_state_dict(arrays: object) -> TypeGuard[Mapping[str, Tensor]]:
    """Whether an object is a non-empty dictionary of named arrays."""
    if not isinstance(arrays, Mapping) or not arrays:
        return False
    return all(isinstance(name, str) and isinstance(a, Tensor) for name, a in arrays.items())


def _run_parts(model: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The networks of a training run by their attribute of the model."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, array in model.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = array
    return parts


def _named_parts(
    arrays: Mapping[str, Tensor],
) -> tuple[dict[str, dict[str, Tensor]], tuple[str, ...]]:
    """The networks of a file whose names begin with the part, in the reference's or Hugging Face's names."""
    parts: dict[str, dict[str, Tensor]] = {}
    left_over = []
    for full_name, array in arrays.items():
        part, _, rest = _PREFIX.sub("", full_name).partition(".")
        if part not in PARTS:
            left_over.append(full_name)
            continue
        name = f"{part}.{_PREFIX.sub('', rest)}"
        for pattern, replacement in TO_REFERENCE:
            name = re.sub(pattern, replacement, name)
        name = name.removeprefix(f"{part}.")
        if name == "embeddings.mask_tokens":
            named = {f"mask_tokens.{i}": token for i, token in enumerate(array)}
        else:
            named = {name: array}
        parts.setdefault(part, {}).update(named)
    return {part: _fuse_qkv(named) for part, named in parts.items()}, tuple(left_over)


def _fuse_qkv(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Concatenate query, key and value weights of each layer; incomplete triples keep their names."""
    fused = dict(arrays)
    for name in arrays:
        triple = [name.replace(".attn.query.", f".attn.{which}.") for which in ("query", "key", "value")]
        if ".attn.query." in name and all(each in arrays for each in triple):
            qkv = torch.cat([fused.pop(each) for each in triple])
            fused[name.replace(".attn.query.", ".attn.qkv.")] = qkv
    return fused
