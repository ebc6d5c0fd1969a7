"""A trained V-JEPA 2-AC as a file in the layout of facebookresearch/vjepa2, which `wm import` reads.

The file is a torch dictionary of two networks, `encoder` and `predictor`, whose arrays have the published
names behind `module.`. The published model downsamples nothing and takes physical units, so what a recipe
does to images, actions and poses before the networks becomes part of their first layers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from wm_planner.data.folders import atomic_file
from wm_planner.errors import BundleError, ConfigError
from wm_planner.networks.transformer import Attention
from wm_planner.networks.vjepa2 import VJepa2Encoder
from wm_planner.networks.vjepa2_ac import POSE_SIZE, AcPredictor
from wm_planner.training.importing import IMAGE_SIZE
from wm_planner.training.trained import TrainedRun

PREFIXES = {"encoder": "module.backbone.", "predictor": "module."}
"""Of the names of arrays, by network, as data-parallel training writes them."""

Arrays = Mapping[str, Tensor]


@runtime_checkable
class Publishable(Protocol):
    """What is published of a V-JEPA 2-AC, and what else it computes.

    Attributes:
        encoder, predictor: the networks.
        action_scale, state_mean, state_std: by which actions and poses (7,) are scaled before the predictor.
        whitening, slow_features: of the tokens, if any.
    """

    encoder: VJepa2Encoder
    predictor: AcPredictor
    action_scale: Tensor
    state_mean: Tensor
    state_std: Tensor
    whitening: object
    slow_features: object


class Published(NamedTuple):
    """What was written.

    Attributes:
        arrays: number of arrays by network.
        heads: number of attention heads by network, which the arrays do not tell.
    """

    arrays: Mapping[str, int]
    heads: Mapping[str, int]


def publish(run: str | Path, out: str | Path, replace: bool = False) -> Published:
    """Write the networks of a training run to file `out`, atomically.

    Args:
        run: folder of a run of models/vjepa2_ac.py.
        out: the file, ending in `.pt`.
        replace: whether an existing file is replaced.

    Raises:
        BundleError: if the run has no checkpoint or its network has no published layout, or `out` exists or
            has another ending.
        ConfigError: if its recipe computes what the published model does not.
    """
    run, out = Path(run), Path(out)
    if out.suffix != ".pt":
        raise BundleError(f"{out}: wanted a file that ends in .pt")
    if out.exists() and not replace:
        raise BundleError(f"{out} exists already; use --replace, or another name")
    trained = TrainedRun.load(run)
    network = trained.network
    if not isinstance(network, Publishable):
        raise BundleError(
            f"{run} holds a {type(network).__name__}, which has no published layout: wanted a run of "
            "models/vjepa2_ac.py; without --layout it becomes a bundle"
        )
    if len(trained.action.names) != POSE_SIZE:
        raise ConfigError(
            f"{run}: its actions are {', '.join(trained.action.names)}, those of the published layout have "
            f"{POSE_SIZE} numbers: train on data with a tcp_pose"
        )
    parts = _parts(network)
    state = {
        part: {f"{PREFIXES[part]}{name}": array.contiguous() for name, array in arrays.items()}
        for part, arrays in parts.items()
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as temporary:
        torch.save(state, temporary)
    heads = {"encoder": _heads(network.encoder), "predictor": _heads(network.predictor)}
    return Published({part: len(arrays) for part, arrays in parts.items()}, heads)


def _parts(network: Publishable) -> dict[str, dict[str, Tensor]]:
    """Encoder and predictor of images of IMAGE_SIZE pixels and physical units."""
    if network.whitening or network.slow_features:
        raise ConfigError(
            "the published layout holds an encoder and a predictor of its layer-normed tokens, no whitening "
            "and no slow features: train with tokens=normed and slow_features=0"
        )
    scales = (network.action_scale, network.state_mean, network.state_std)
    return {
        "encoder": for_images_of(IMAGE_SIZE, network.encoder.picture, network.encoder.state_dict()),
        "predictor": in_physical_units(network.predictor.state_dict(), *scales),
    }


def for_images_of(side: int, picture: tuple[int, int], encoder: Arrays) -> dict[str, Tensor]:
    """The arrays of an encoder of images of `side` pixels, with patches that are larger by the same factor.

    A mean over pixels, followed by a weight, is that weight for every pixel, divided by their number: the
    encoder does to larger images what it did to their area averages.

    Args:
        side: height and width of an image.
        picture: (height, width) in which the encoder was trained.
        encoder: its arrays.

    Raises:
        ConfigError: if `side` is not a multiple of a square `picture`.
    """
    if picture[0] != picture[1] or side % picture[0]:
        raise ConfigError(
            f"the encoder takes images of {picture[0]}x{picture[1]} pixels, wanted those of one camera, a "
            f"square with a divisor of {side} pixels: change the recipe's `picture`"
        )
    name, shrink = "patch_embed.proj.weight", side // picture[0]
    weight = encoder[name].repeat_interleave(shrink, dim=-2).repeat_interleave(shrink, dim=-1)
    return {**encoder, name: weight / shrink**2}


def in_physical_units(
    predictor: Arrays, action_scale: Tensor, mean: Tensor, std: Tensor
) -> dict[str, Tensor]:
    """The arrays of a predictor of `action` and `pose` instead of action / scale and (pose - mean) / std."""
    action, state = predictor["action_encoder.weight"].double(), predictor["state_encoder.weight"].double()
    state = state / std
    return {
        **predictor,
        "action_encoder.weight": (action / action_scale).float(),
        "state_encoder.weight": state.float(),
        "state_encoder.bias": (predictor["state_encoder.bias"].double() - state @ mean.double()).float(),
    }


def _heads(network: torch.nn.Module) -> int:
    return next(module.heads for module in network.modules() if isinstance(module, Attention))
