"""The number of attention heads that weights were trained with, from a file next to them.

Arrays show the width and depth of a transformer. Heads only divide the width, so weights also fit a network
with another number of them, which then computes something else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from wm_planner.config import read_yaml
from wm_planner.errors import BundleError
from wm_planner.training.checkpoint import CHECKPOINT_FILE, RUN_FILE

CONFIG_FILE = "config.json"
HEADS = {"encoder": "num_attention_heads", "predictor": "pred_num_attention_heads"}
"""Hugging Face's names for the number of heads, by part."""

COMPUTED_AS = {"hidden_act": "gelu", "layer_norm_eps": 1e-6}
"""Settings of Hugging Face's V-JEPA 2 that the networks here have built in."""


def declared_heads(file: Path, part: str) -> int | None:
    """The heads of a network in a file of weights, as the recipe of a run or Hugging Face's config.json says.

    Args:
        file: the weights.
        part: the network, see `pretrained.read`.

    Returns:
        None if nothing beside the file says it.

    Raises:
        BundleError: if config.json cannot be read, or asks for what the networks here do not compute.
        ConfigError: if the run's description cannot be read.
    """
    role = part.removeprefix("target_").removeprefix("ema_")
    if file.name == CHECKPOINT_FILE and (file.parent / RUN_FILE).is_file():
        recipe = read_yaml(file.parent / RUN_FILE).get("recipe")
        size = recipe.get(role) if isinstance(recipe, Mapping) else None
        return _count(size.get("heads")) if isinstance(size, Mapping) else None
    if file.suffix == ".safetensors" and (file.parent / CONFIG_FILE).is_file():
        return _count(_hugging_face(file.parent / CONFIG_FILE).get(HEADS.get(role, "")))
    return None


def _hugging_face(path: Path) -> Mapping[str, Any]:
    try:
        config = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise BundleError(f"{path}: not the configuration of a model ({error})") from None
    for name, value in COMPUTED_AS.items():
        if config.get(name, value) != value:
            raise BundleError(f"{path}: {name} is {config[name]!r}, the networks here compute with {value!r}")
    return config


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None
