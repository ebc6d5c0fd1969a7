"""Weights from a local file, published or our own: read without running code in it, fitted strictly.

Files of facebookresearch/vjepa2 (a torch dictionary of parts, keys with `module.` and `backbone.` in front),
of Hugging Face's VJEPA2Model (safetensors, other names, queries, keys and values apart), and folders of our
training runs.
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
"""Arrays of published files that nothing reads: positions are rotary."""

_PREFIX = re.compile(r"^(?:module\.|backbone\.|_orig_mod\.)+")  # of data-parallel and compiled networks

SHOWN = 3
"""Differing keys that an error lists."""

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
"""Hugging Face's names to the reference's."""


class Weights(NamedTuple):
    """The arrays of one network.

    Attributes:
        source: file and part, for errors.
        arrays: by the reference's names.
        left_over: names in the file that belong to no part of V-JEPA 2, e.g. those of a classifier.
        heads: attention heads, where something beside the file says it; the arrays do not.
    """

    source: str
    arrays: Mapping[str, Tensor]
    left_over: tuple[str, ...] = ()
    heads: int | None = None


class Report(NamedTuple):
    """What fitting did.

    Attributes:
        loaded: number of arrays.
        left_over: names in the file that no network wanted.
    """

    source: str
    loaded: int
    left_over: tuple[str, ...]


def weights_file(path: Path) -> Path:
    """The file with the weights: `path` itself, or the one in the folder of a run or a Hugging Face model.

    Raises:
        BundleError: if there is none.
    """
    known = (CHECKPOINT_FILE, "model.safetensors")
    for file in (path / name for name in known) if path.is_dir() else (path,):
        if file.is_file():
            return file
    raise BundleError(
        f"no weights at {path}: wanted a .pt or .safetensors file, or a folder with {' or '.join(known)}"
    )


def read(path: str | Path, part: str) -> Weights:
    """One network's weights.

    Args:
        path: a file, or the folder of a training run or of a Hugging Face model.
        part: `encoder`, `target_encoder` or `predictor` of a published file; `encoder` or `predictor` of
            Hugging Face's; a network's attribute, e.g. `target_encoder`, of our runs.

    Raises:
        BundleError: if there is no such file or part, it is damaged or holds code, or a file next to it says
            that its networks compute differently.
    """
    file = weights_file(Path(path))
    if file.suffix == ".safetensors":
        parts, left_over = _hugging_face(_safetensors(file))
    else:
        state = _torch(file)
        model, left_over = state.get("model"), ()
        parts = _of_run(model) if _is_network(model) else _of_reference(state)
    if part not in parts:
        raise BundleError(f"{file} has no part '{part}', {did_you_mean(part, parts)}")
    return Weights(f"{file}: {part}", parts[part], left_over, declared_heads(file, part))


def fit(network: nn.Module, weights: Weights) -> Report:
    """Load `weights` into `network`, which may be on the meta device; all of them or none.

    Raises:
        BundleError: naming the first keys and shapes that differ, other numbers of attention heads, or an
            array that holds no usable numbers; the network is as it was.
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
            "size of the file, or give another file or part"
        )
    heads = {module.heads for module in network.modules() if isinstance(module, Attention)}
    if weights.heads is not None and heads and heads != {weights.heads}:
        raise BundleError(
            f"{weights.source}: trained with {weights.heads} attention heads, the network has "
            f"{', '.join(map(str, heads))}: build it with heads={weights.heads}"
        )
    for name, array in got.items():
        if not array.is_floating_point() or not torch.isfinite(array).all():
            kind = "numbers that are not finite" if array.is_floating_point() else str(array.dtype)
            raise BundleError(f"{weights.source}: {name} holds {kind}, wanted finite floating-point numbers")
    network.load_state_dict(got, strict=True, assign=any(array.is_meta for array in wanted.values()))
    return Report(weights.source, len(got), (*unused, *weights.left_over))


def _shape(array: Tensor | None) -> str:
    return "missing" if array is None else str(tuple(array.shape))


def _torch(file: Path) -> dict[str, Any]:
    """The dictionary in a file of torch; arrays stay on disk until they are used."""
    if not zipfile.is_zipfile(file):
        raise BundleError(
            f"{file}: torn, or older than torch 1.6, whose files are zip files; fetch it again and compare "
            "its size, or save it again"
        )
    with zipfile.ZipFile(file) as archive:
        if (damaged := archive.testzip()) is not None:
            raise BundleError(f"{file}: torn, {damaged} differs from its checksum; fetch it again")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise BundleError(f"{file}: torn, or holds more than arrays ({reason})") from None
    if not isinstance(state, dict):
        raise BundleError(f"{file}: got {type(state).__name__}, wanted a dictionary of networks")
    return state


def _safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{file}: torn, or no safetensors file ({error}); fetch it again") from None


def _of_reference(state: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """Every network of a published file, by its part."""
    return {
        part: {_PREFIX.sub("", name): array for name, array in arrays.items()}
        for part, arrays in state.items()
        if isinstance(part, str) and _is_network(arrays)
    }


def _is_network(arrays: object) -> TypeGuard[Mapping[str, Tensor]]:
    """Whether it is a dictionary of named arrays."""
    if not isinstance(arrays, Mapping) or not arrays:
        return False
    return all(isinstance(name, str) and isinstance(a, Tensor) for name, a in arrays.items())


def _of_run(model: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Every network that is an attribute of a trained model, by its name."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, array in model.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = array
    return parts


def _hugging_face(arrays: Mapping[str, Tensor]) -> tuple[dict[str, dict[str, Tensor]], tuple[str, ...]]:
    """Encoder and predictor by the reference's names, and the names of what is neither."""
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
    return {part: _joined(named) for part, named in parts.items()}, tuple(left_over)


def _joined(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values of each layer as one array; one that lacks a sibling keeps its own name."""
    joined = dict(arrays)
    for name in arrays:
        siblings = [name.replace(".attn.query.", f".attn.{which}.") for which in ("query", "key", "value")]
        if ".attn.query." in name and all(sibling in arrays for sibling in siblings):
            together = torch.cat([joined.pop(sibling) for sibling in siblings])
            joined[name.replace(".attn.query.", ".attn.qkv.")] = together
    return joined
