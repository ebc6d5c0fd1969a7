"""Published V-JEPA 2 networks, in the size of a weights file, with its weights.

The networks are built on the meta device and take over the arrays of the file, which skips initialisation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from wm_planner.errors import BundleError
from wm_planner.networks.vjepa2 import MASKED_PREDICTOR, SIZES, Grid, MaskedPredictor, VitSize, VJepa2Encoder
from wm_planner.networks.vjepa2_1 import SIZES_2_1, VJepa21Encoder
from wm_planner.networks.vjepa2_ac import AC_PREDICTOR, AcPredictor
from wm_planner.training.declared import width_and_depth
from wm_planner.training.pretrained import LoadReport, Weights, load_weights, read_weights

Architecture: TypeAlias = Literal["vjepa2", "vjepa2_1"]
"""Of an encoder."""

ARCHITECTURES: dict[Architecture, type[VJepa2Encoder] | type[VJepa21Encoder]] = {
    "vjepa2": VJepa2Encoder,
    "vjepa2_1": VJepa21Encoder,
}

ENCODERS = {**SIZES, **SIZES_2_1}
MASKED_PREDICTORS = {"masked predictor": MASKED_PREDICTOR}
AC_PREDICTORS = {"action-conditioned predictor": AC_PREDICTOR}
"""Published sizes by kind of network; the same width and depth has 6 heads in one kind and 12 in another."""


def published_encoder(
    path: str | Path,
    part: str,
    picture: tuple[int, int] = (256, 256),
    frames: int = 64,
    heads: int | None = None,
) -> tuple[VJepa2Encoder | VJepa21Encoder, LoadReport]:
    """The encoder of V-JEPA 2 or V-JEPA 2.1 in a weights file.

    Args:
        path: see `pretrained.read_weights`.
        part: `target_encoder` of V-JEPA 2 and 2.1, `ema_encoder` of the distilled 2.1 (ViT-B and ViT-L),
            `encoder` of V-JEPA 2-AC and of Hugging Face models.
        picture: (height, width) of a frame in pixels, multiples of 16.
        frames: length of the longest video.
        heads: attention heads, see `size_of`.

    Raises:
        BundleError: if the file is corrupt or holds another model, or its number of heads is not known.
    """
    weights = read_weights(path, part)
    with torch.device("meta"):
        encoder_class = ARCHITECTURES[architecture_of(weights)]
        encoder = encoder_class(size_of(weights, "blocks", ENCODERS, heads), picture, frames)
    return encoder.eval(), load_weights(encoder, weights)


def published_masked_predictor(
    path: str | Path, grid: Grid, heads: int | None = None
) -> tuple[MaskedPredictor, LoadReport]:
    """The masked predictor in a weights file, for an encoder's `grid`; see `size_of` for `heads`.

    Raises:
        BundleError: if the file is corrupt or holds another model, or its number of heads is not known.
    """
    weights = read_weights(path, "predictor")
    size = size_of(weights, "predictor_blocks", MASKED_PREDICTORS, heads)
    tokens = sum(name.startswith("mask_tokens.") for name in weights.arrays)
    with torch.device("meta"):
        predictor = MaskedPredictor(size, _encoder_dim(weights), grid, tokens)
    return predictor.eval(), load_weights(predictor, weights)


def published_ac_predictor(
    path: str | Path,
    grid: tuple[int, int] = (16, 16),
    frames: int = 16,
    extrinsics: bool = False,
    heads: int | None = None,
) -> tuple[AcPredictor, LoadReport]:
    """The action-conditioned predictor in a weights file; see `AcPredictor`, and `size_of` for `heads`.

    Raises:
        BundleError: if the file is corrupt or holds another model, or its number of heads is not known.
    """
    weights = read_weights(path, "predictor")
    size = size_of(weights, "predictor_blocks", AC_PREDICTORS, heads)
    with torch.device("meta"):
        predictor = AcPredictor(size, _encoder_dim(weights), grid, frames, extrinsics)
    return predictor.eval(), load_weights(predictor, weights)


def architecture_of(weights: Weights) -> Architecture:
    """The architecture of an encoder, from the names of its arrays."""
    return "vjepa2_1" if "norms_block.0.weight" in weights.arrays else "vjepa2"


def patch_of(weights: Weights) -> int:
    """The side of an encoder's patches in pixels; 16 in every published one.

    Raises:
        BundleError: if the weights are not those of an encoder.
    """
    embed = weights.arrays.get("patch_embed.proj.weight")
    if embed is None or embed.ndim != 5:
        raise BundleError(f"{weights.source}: not a V-JEPA 2 encoder, it lacks patch_embed.proj.weight")
    return embed.shape[-1]


def size_of(
    weights: Weights, blocks: str, published: Mapping[str, VitSize], heads: int | None = None
) -> VitSize:
    """The size of a transformer, from its weights.

    The arrays determine everything but the number of heads, which is `heads`, or else declared by a file next
    to the weights, or else that of the published network of the same kind, width and depth.

    Args:
        weights: of the network.
        blocks: name of its layers.
        published: the published sizes of this kind of network.
        heads: attention heads, for weights that were not published.

    Raises:
        BundleError: if the weights are not those of a V-JEPA 2 network, or the number of heads is unknown or
            invalid.
    """
    found, hidden = width_and_depth(weights.arrays, blocks), weights.arrays.get(f"{blocks}.0.mlp.fc1.bias")
    if found is None or hidden is None:
        raise BundleError(f"{weights.source}: not a V-JEPA 2 network, it lacks {blocks}.0.norm1.weight")
    (dim, depth), heads = found, heads or weights.heads
    if heads is not None:
        try:
            return VitSize(dim=dim, depth=depth, heads=heads, mlp_ratio=len(hidden) / dim)
        except ValueError as error:
            raise BundleError(f"{weights.source}: {error}") from None
    for size in published.values():
        if (size.dim, size.depth) == (dim, depth):
            return size
    known = ", ".join(f"{name} {size.depth} of {size.dim}" for name, size in published.items())
    raise BundleError(
        f"{weights.source}: {depth} layers `{blocks}` of width {dim} are not a published size ({known}), so "
        "their number of attention heads is unknown; pass it as `heads`, or to `wm import` as "
        "--encoder-heads or --predictor-heads"
    )


def _encoder_dim(weights: Weights) -> int:
    """Number of channels of the tokens that a predictor takes."""
    embed = weights.arrays.get("predictor_embed.weight")
    if embed is None or embed.ndim != 2:
        raise BundleError(f"{weights.source}: not a V-JEPA 2 predictor, it lacks predictor_embed.weight")
    return embed.shape[1]
