"""The number of attention heads that weights were trained with, read from a file next to them.

The arrays determine the width and depth of a transformer, but not its number of heads: the weights also load
into a network with another number of heads, which then computes something different.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from torch import Tensor

from wm_planner.config import read_yaml
from wm_planner.errors import BundleError
from wm_planner.training.checkpoint import CHECKPOINT_FILE, RUN_FILE

CONFIG_FILE = "config.json"
HEADS = {"encoder": "num_attention_heads", "predictor": "pred_num_attention_heads"}
"""Hugging Face's names for the number of heads, by part."""

WIDTHS = {"encoder": "hidden_size", "predictor": "pred_hidden_size"}
DEPTHS = {"encoder": "num_hidden_layers", "predictor": "pred_num_hidden_layers"}
"""Hugging Face's names for what the arrays determine as well."""

COMPUTED_AS = {"hidden_act": "gelu", "layer_norm_eps": 1e-6}
"""Settings of Hugging Face's V-JEPA 2 that are fixed in our networks."""


def width_and_depth(arrays: Mapping[str, Tensor], blocks: str) -> tuple[int, int] | None:
    """Channels and number of the layers called `blocks`; None if the arrays have no such layers."""
    norm = arrays.get(f"{blocks}.0.norm1.weight")
    if norm is None or norm.ndim != 1:
        return None
    return len(norm), len({name.split(".")[1] for name in arrays if name.startswith(f"{blocks}.")})


def declared_heads(file: Path, part: str, arrays: Mapping[str, Tensor]) -> int | None:
    """The number of heads declared by the recipe of a run, or by Hugging Face's config.json.

    Args:
        file: the weights file.
        part: the network, see `pretrained.read_weights`.
        arrays: of the network.

    Returns:
        The number of heads; None if no file declares it.

    Raises:
        BundleError: if config.json cannot be read, has settings that our networks do not support, or
            describes a network of another size.
        ConfigError: if the run.yaml of a run cannot be read.
    """
    role = part.removeprefix("target_").removeprefix("ema_")
    if file.name == CHECKPOINT_FILE and (file.parent / RUN_FILE).is_file():
        recipe = read_yaml(file.parent / RUN_FILE).get("recipe")
        size = recipe.get(role) if isinstance(recipe, Mapping) else None
        return _count(size.get("heads")) if isinstance(size, Mapping) else None
    config_file = file.parent / CONFIG_FILE
    if ".safetensors" not in file.suffixes or role not in HEADS or not config_file.is_file():
        return None
    config = _hugging_face(config_file)
    size = width_and_depth(arrays, "predictor_blocks" if role == "predictor" else "blocks")
    for name, found in zip((WIDTHS[role], DEPTHS[role]), size or (), strict=False):
        if config.get(name, found) != found:
            raise BundleError(
                f"{config_file}: {name} is {config[name]}, the weights next to it have {found}: these are "
                "files of two models; download both from the same one"
            )
    return _count(config.get(HEADS[role]))


def _hugging_face(path: Path) -> Mapping[str, Any]:
    try:
        config = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise BundleError(f"{path}: not a model configuration ({error})") from None
    for name, value in COMPUTED_AS.items():
        if config.get(name, value) != value:
            raise BundleError(f"{path}: {name} is {config[name]!r}, our networks support only {value!r}")
    return config


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None
