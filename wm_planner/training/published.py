"""V-JEPA 2 as published: networks in the size that a file of weights shows, with those weights.

Nothing is initialised only to be overwritten: networks are built on the meta device, and the arrays of the
file become theirs.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from wm_planner.errors import BundleError
from wm_planner.networks.vjepa2 import MASKED_PREDICTOR, SIZES, Grid, MaskedPredictor, VitSize, VJepa2Encoder
from wm_planner.networks.vjepa2_ac import AC_PREDICTOR, AcPredictor
from wm_planner.training.pretrained import Report, Weights, fit, read

ENCODERS = dict(SIZES)
MASKED_PREDICTORS = {"masked predictor": MASKED_PREDICTOR}
AC_PREDICTORS = {"action-conditioned predictor": AC_PREDICTOR}
"""Published sizes by the kind of network: the same width and depth have 6 heads in one and 12 in another."""


def published_encoder(
    path: str | Path,
    part: str,
    picture: tuple[int, int] = (256, 256),
    frames: int = 64,
    heads: int | None = None,
) -> tuple[VJepa2Encoder, Report]:
    """The encoder of V-JEPA 2 in a file of weights; V-JEPA 2.1 has another layout and is refused.

    Args:
        path: see `pretrained.read`.
        part: the publishers use `target_encoder` of V-JEPA 2, `encoder` of V-JEPA 2-AC; Hugging Face has
            `encoder`.
        picture: (height, width) in pixels, multiples of 16.
        frames: longest video, in pictures.
        heads: attention heads, see `size_of`.

    Raises:
        BundleError: if the file is torn or holds another model, or its number of heads is not known.
    """
    weights = read(path, part)
    with torch.device("meta"):
        encoder = VJepa2Encoder(size_of(weights, "blocks", ENCODERS, heads), picture, frames)
    return encoder.eval(), fit(encoder, weights)


def published_masked_predictor(
    path: str | Path, grid: Grid, heads: int | None = None
) -> tuple[MaskedPredictor, Report]:
    """The masked predictor in a file of weights, for an encoder's `grid`; `heads` as in `size_of`.

    Raises:
        BundleError: if the file is torn or holds another model, or its number of heads is not known.
    """
    weights = read(path, "predictor")
    size = size_of(weights, "predictor_blocks", MASKED_PREDICTORS, heads)
    tokens = sum(name.startswith("mask_tokens.") for name in weights.arrays)
    with torch.device("meta"):
        predictor = MaskedPredictor(size, _encoder_dim(weights), grid, tokens)
    return predictor.eval(), fit(predictor, weights)


def published_ac_predictor(
    path: str | Path,
    grid: tuple[int, int] = (16, 16),
    frames: int = 16,
    extrinsics: bool = False,
    heads: int | None = None,
) -> tuple[AcPredictor, Report]:
    """The action-conditioned predictor in a file of weights; see `AcPredictor`, and `size_of` for `heads`.

    Raises:
        BundleError: if the file is torn or holds another model, or its number of heads is not known.
    """
    weights = read(path, "predictor")
    size = size_of(weights, "predictor_blocks", AC_PREDICTORS, heads)
    with torch.device("meta"):
        predictor = AcPredictor(size, _encoder_dim(weights), grid, frames, extrinsics)
    return predictor.eval(), fit(predictor, weights)


def size_of(
    weights: Weights, blocks: str, published: Mapping[str, VitSize], heads: int | None = None
) -> VitSize:
    """The size of a transformer of which only the weights are known.

    Arrays show width, depth and the MLP's width, but not the number of heads. That is, in this order, the one
    given, the one that something beside the file declares, or that of the published network of the same kind,
    width and depth.

    Args:
        blocks: name of the layers.
        published: the published sizes of this kind of network.
        heads: attention heads, of weights that were not published.

    Raises:
        BundleError: if these are no weights of V-JEPA 2, or the number of heads is not known or impossible.
    """
    depth = len({name.split(".")[1] for name in weights.arrays if name.startswith(f"{blocks}.")})
    norm, hidden = (weights.arrays.get(f"{blocks}.0.{name}") for name in ("norm1.weight", "mlp.fc1.bias"))
    if norm is None or norm.ndim != 1 or hidden is None:
        raise BundleError(f"{weights.source}: no network of V-JEPA 2, it lacks {blocks}.0.norm1.weight")
    dim, heads = len(norm), heads or weights.heads
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
        f"{weights.source}: {depth} layers `{blocks}` of width {dim} are of no published size ({known}), and "
        "their number of attention heads cannot be seen; give it as `heads`, or to `wm import` as "
        "--encoder-heads or --predictor-heads"
    )


def _encoder_dim(weights: Weights) -> int:
    """Width of the tokens that a predictor takes."""
    embed = weights.arrays.get("predictor_embed.weight")
    if embed is None or embed.ndim != 2:
        raise BundleError(f"{weights.source}: no predictor of V-JEPA 2, it lacks predictor_embed.weight")
    return embed.shape[1]
