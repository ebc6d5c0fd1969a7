"""V-JEPA 2 as published: networks in the size that a file of weights shows, with those weights.

Nothing is initialised only to be overwritten: networks are built on the meta device, and the arrays of the
file become theirs.
"""

from pathlib import Path

import torch

from wm_planner.errors import BundleError
from wm_planner.networks.vjepa2 import MASKED_PREDICTOR, SIZES, Grid, MaskedPredictor, VitSize, VJepa2Encoder
from wm_planner.networks.vjepa2_ac import AC_PREDICTOR, AcPredictor
from wm_planner.training.pretrained import Report, Weights, fit, read

KNOWN = {**SIZES, "masked predictor": MASKED_PREDICTOR, "action-conditioned predictor": AC_PREDICTOR}


def published_encoder(
    path: str | Path, part: str, picture: tuple[int, int] = (256, 256), frames: int = 64
) -> tuple[VJepa2Encoder, Report]:
    """The encoder in a file of weights.

    Args:
        path: see `pretrained.read`.
        part: the publishers use `target_encoder` of V-JEPA 2, `encoder` of V-JEPA 2-AC, `ema_encoder` of the
            distilled V-JEPA 2.1; Hugging Face has `encoder`.
        picture: (height, width) in pixels, multiples of 16.
        frames: longest video, in pictures.

    Raises:
        BundleError: if the file is torn or holds another model.
    """
    weights = read(path, part)
    with torch.device("meta"):
        encoder = VJepa2Encoder(size_of(weights, "blocks"), picture, frames)
    return encoder.eval(), fit(encoder, weights)


def published_masked_predictor(path: str | Path, grid: Grid) -> tuple[MaskedPredictor, Report]:
    """The masked predictor in a file of weights, for an encoder's `grid`.

    Raises:
        BundleError: if the file is torn or holds another model.
    """
    weights = read(path, "predictor")
    size = size_of(weights, "predictor_blocks")
    tokens = sum(name.startswith("mask_tokens.") for name in weights.arrays)
    with torch.device("meta"):
        predictor = MaskedPredictor(size, _encoder_dim(weights), grid, tokens)
    return predictor.eval(), fit(predictor, weights)


def published_ac_predictor(
    path: str | Path, grid: tuple[int, int] = (16, 16), frames: int = 16, extrinsics: bool = False
) -> tuple[AcPredictor, Report]:
    """The action-conditioned predictor in a file of weights; see `AcPredictor`.

    Raises:
        BundleError: if the file is torn or holds another model.
    """
    weights = read(path, "predictor")
    size = size_of(weights, "predictor_blocks")
    with torch.device("meta"):
        predictor = AcPredictor(size, _encoder_dim(weights), grid, frames, extrinsics)
    return predictor.eval(), fit(predictor, weights)


def size_of(weights: Weights, blocks: str) -> VitSize:
    """The published size of the weights' blocks; arrays tell width and depth, but not the number of heads."""
    depth = len({name.split(".")[1] for name in weights.arrays if name.startswith(f"{blocks}.")})
    norm = weights.arrays.get(f"{blocks}.0.norm1.weight")
    if norm is None or norm.ndim != 1:
        raise BundleError(f"{weights.source}: no network of V-JEPA 2, it lacks {blocks}.0.norm1.weight")
    dim = len(norm)
    for size in KNOWN.values():
        if (size.dim, size.depth) == (dim, depth):
            return size
    known = ", ".join(f"{name} {size.depth} of {size.dim}" for name, size in KNOWN.items())
    raise BundleError(
        f"{weights.source}: {depth} layers `{blocks}` of width {dim} are of no published size ({known}); "
        "build the network with a VitSize of your own and load it with pretrained.fit"
    )


def _encoder_dim(weights: Weights) -> int:
    """Width of the tokens that a predictor takes."""
    embed = weights.arrays.get("predictor_embed.weight")
    if embed is None or embed.ndim != 2:
        raise BundleError(f"{weights.source}: no predictor of V-JEPA 2, it lacks predictor_embed.weight")
    return embed.shape[1]
