"""Pretrained weights from local files: read without executing code, and loaded strictly.

Supported are files of facebookresearch/vjepa2 (a torch dictionary of parts, with key prefixes `module.` and
`backbone.`), of Hugging Face's VJEPA2Model (safetensors with other names, and with separate queries, keys and
values), and folders of our training runs.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from wm_planner.errors import BundleError, did_you_mean
from wm_planner.networks.transformer import Attention
from wm_planner.training.checkpoint import CHECKPOINT_FILE
from wm_planner.training.declared import declared_heads

UNUSED = frozenset({"pos_embed", "predictor_pos_embed"})
"""Arrays of published files that are not used, because position embeddings are rotary."""

_PREFIX = re.compile(r"^(?:module\.|backbone\.|_orig_mod\.)+")  # of data-parallel and compiled networks

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


def weights_file(path: Path) -> Path:
    """The weights file: `path` itself, or the one in the folder of a run or a Hugging Face model.

    Raises:
        BundleError: if no such file exists.
    """
    known = (CHECKPOINT_FILE, "model.safetensors")
    for file in (path / name for name in known) if path.is_dir() else (path,):
        if file.is_file():
            return file
    raise BundleError(
        f"no weights at {path}: wanted a .pt or .safetensors file, or a folder with {' or '.join(known)}"
    )


def read_weights(path: str | Path, part: str) -> Weights:
    """Read the weights of one network.

    Args:
        path: a file, or the folder of a training run or of a Hugging Face model.
        part: `encoder`, `target_encoder` or `predictor` of a published file; `encoder` or `predictor` of a
            Hugging Face model; an attribute of the network, e.g. `target_encoder`, of a run.

    Raises:
        BundleError: if the file or the part does not exist, the file is corrupt or contains code, or its
            configuration has settings that our networks do not support.
    """
    file = weights_file(Path(path))
    if file.suffix == ".safetensors":
        parts, left_over = _hugging_face_parts(_read_safetensors(file))
    else:
        state = _read_torch(file)
        model, left_over = state.get("model"), ()
        parts = _run_parts(model) if _is_state_dict(model) else _reference_parts(state)
    if part not in parts:
        raise BundleError(f"{file} has no part '{part}', {did_you_mean(part, parts)}")
    return Weights(f"{file}: {part}", parts[part], left_over, declared_heads(file, part))


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


def _read_torch(file: Path) -> dict[str, Any]:
    """The dictionary in a torch file; its arrays are memory-mapped."""
    if not zipfile.is_zipfile(file):
        raise BundleError(
            f"{file}: corrupt, or written before torch 1.6, which introduced zip files; download it again "
            "and compare its size, or save it again"
        )
    with zipfile.ZipFile(file) as archive:
        if (damaged := archive.testzip()) is not None:
            raise BundleError(f"{file}: corrupt, the checksum of {damaged} is wrong; download it again")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise BundleError(f"{file}: corrupt, or contains more than arrays ({reason})") from None
    if not isinstance(state, dict):
        raise BundleError(f"{file}: got {type(state).__name__}, wanted a dictionary of networks")
    return state


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{file}: corrupt or not a safetensors file ({error}); download it again") from None


def _reference_parts(state: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """The networks of a published file by part."""
    return {
        part: {_PREFIX.sub("", name): array for name, array in arrays.items()}
        for part, arrays in state.items()
        if isinstance(part, str) and _is_state_dict(arrays)
    }


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


def _hugging_face_parts(
    arrays: Mapping[str, Tensor],
) -> tuple[dict[str, dict[str, Tensor]], tuple[str, ...]]:
    """Encoder and predictor with the reference's names, and the names of all other arrays."""
    parts: dict[str, dict[str, Tensor]] = {}
    left_over = []
    for full_name, array in arrays.items():
        name = full_name.removeprefix("vjepa2.")
        part = name.partition(".")[0]
        if part not in ("encoder", "predictor"):
            left_over.append(full_name)
            continue
        for pattern, replacement in TO_REFERENCE:
            name = re.sub(pattern, replacement, name)
        if name == "predictor.embeddings.mask_tokens":
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
