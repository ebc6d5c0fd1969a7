"""Import of a published V-JEPA 2-AC checkpoint as a bundle.

The weights were trained on DROID (Khazatsky et al. 2024): one camera, tool poses, four actions per second.
The action bounds are those of the planner in facebookresearch/vjepa2, notebooks/utils/mpc_utils.py.
"""

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

import msgspec
import torch

from wm_planner import share
from wm_planner.config import to_builtins
from wm_planner.contracts.card import ActionSpec, Card, GraphSpec, TrainingRecord
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import ConfigError, did_you_mean
from wm_planner.training.bundle import Precision, check_bundle_folder, write_bundle
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.module import TrainableModel, load_model_file
from wm_planner.training.pretrained import LoadReport, Weights, load_weights, read_weights
from wm_planner.training.published import AC_PREDICTORS, ENCODERS, architecture_of, patch_of, size_of
from wm_planner.training.recipe import changed
from wm_planner.training.trained import model_card
from wm_planner.training.weight_files import checksums, weights_file

FAMILY = "models/vjepa2_ac.py"
RECIPE = "giant"
IMAGE_SIZE = 256
"""Side of the pictures of the published training, in pixels."""

CONTEXT = 2
"""Context in frames: the published planner plans two steps ahead, and its model attends to both frames."""

FIXED_ROTATION = 0.001
"""Rotation bound in rad: the published planner does not rotate the tool, but a card needs low < high."""

FARTHEST = 2.0
"""Bound of a coordinate in m; a Franka arm reaches 0.86 m."""

HIGH = (0.05, 0.05, 0.05, FIXED_ROTATION, FIXED_ROTATION, FIXED_ROTATION, 0.75)

POSE_LOW = (-FARTHEST, -FARTHEST, -FARTHEST, -math.pi, -math.pi, -math.pi, 0.0)
POSE_HIGH = (FARTHEST, FARTHEST, FARTHEST, math.pi, math.pi, math.pi, 1.0)
"""Bounds of a pose: millimetres, degrees and a gripper in percent lie outside of them."""

DROID = DataSpec(
    cameras=("front",),
    height=IMAGE_SIZE,
    width=IMAGE_SIZE,
    state=(Quantity(name="tcp_pose", size=7, unit="m, rad, share closed", low=POSE_LOW, high=POSE_HIGH),),
    state_mean=(0.0,) * 7,
    state_std=(1.0,) * 7,
    action=ActionSpec(
        names=("dx", "dy", "dz", "droll", "dpitch", "dyaw", "dgripper"),
        units=("m", "m", "m", "rad", "rad", "rad", "share closed"),
        low=tuple(-bound for bound in HIGH),
        high=HIGH,
    ),
    control_dt_s=0.25,
)
"""The training data of the published weights, with poses and actions as in `control.pose`."""


class Heads(NamedTuple):
    """Numbers of attention heads; None for that of the published network of the same size."""

    encoder: int | None = None
    predictor: int | None = None

    @property
    def options(self) -> str:
        """The command-line options of `wm import` for these heads."""
        explicit = {name: count for name, count in self._asdict().items() if count is not None}
        return "".join(f" --{name}-heads {count}" for name, count in explicit.items())


PUBLISHED_HEADS = Heads()


def import_checkpoint(
    file: str | Path,
    out: str | Path,
    precision: Precision | str = "fp32",
    context: int = CONTEXT,
    heads: Heads = PUBLISHED_HEADS,
    size: int = IMAGE_SIZE,
    replace: bool = False,
) -> tuple[Card, list[LoadReport]]:
    """Write the bundle of a V-JEPA 2-AC checkpoint to folder `out`, atomically.

    Args:
        file: of facebookresearch/vjepa2, e.g. vjepa2-ac-vitg.pt; its arrays determine the size.
        out: folder of the bundle.
        precision: of weights and arithmetic, fp32 or fp16; inputs and outputs stay fp32.
        context: frames that a step attends to; longer plans differ from those of the published model.
        heads: attention heads, for weights that were not published.
        size: side of the pictures in pixels, for weights that were trained with another one.
        replace: whether an existing bundle is replaced.

    Returns:
        The card, and reports on the weights of encoder and predictor.

    Raises:
        BundleError: if `out` exists (with `replace`: and is not a bundle), the file is corrupt or holds
            another model, or a graph's outputs differ from torch's.
        ConfigError: for another precision, or a size that is no multiple of the patch.
    """
    chosen = _checked(precision)
    check_bundle_folder(Path(out), replace)
    file, out = weights_file(Path(file)), Path(out)
    encoder, predictor = read_weights(file, "encoder"), read_weights(file, "predictor")
    data = _data(size, patch_of(encoder))
    changes = {
        "context": context,
        "clip": max(context, 2),
        "rollout": 1,
        "picture": size,
        **_architecture(encoder, predictor, heads),
    }
    network, reports = _network(changes, data, encoder, predictor)
    network.observation = msgspec.structs.replace(network.observation, fit="crop")
    training = TrainingRecord(
        command=(
            f"wm import {shlex.quote(str(file))} --out {shlex.quote(str(out))} "
            f"--precision {chosen} --context {context}{heads.options}{_size_option(size)}",
        ),
        pretrained=checksums(file),
        revision=share.revision(),
        recipe={"precision": chosen, **changes},
    )

    def card_of(graphs: Mapping[str, GraphSpec]) -> Card:
        return model_card(network, out.name, FAMILY, data, graphs, training)

    return write_bundle(network, data.action, out, card_of, chosen, replace), reports


def _size_option(size: int) -> str:
    """The command-line option of `wm import` for a picture size."""
    return "" if size == IMAGE_SIZE else f" --size {size}"


def _architecture(encoder: Weights, predictor: Weights, heads: Heads) -> dict[str, Any]:
    """The architecture and the sizes of both networks, as fields of the recipe."""
    return {
        "patch": patch_of(encoder),
        "architecture": architecture_of(encoder),
        "encoder": to_builtins(size_of(encoder, "blocks", ENCODERS, heads.encoder)),
        "predictor": to_builtins(size_of(predictor, "predictor_blocks", AC_PREDICTORS, heads.predictor)),
    }


def _data(size: int, patch: int) -> DataSpec:
    """The training data of the published weights, with pictures of `size` pixels.

    As in the published code, positions of V-JEPA 2 are then counted on, those of V-JEPA 2.1 are interpolated.

    Raises:
        ConfigError: if patches do not fill them.
    """
    if size < patch or size % patch:
        raise ConfigError(
            f"size is {size} pixels, wanted a multiple of {patch}, the side of a patch; published weights "
            f"are for {IMAGE_SIZE}"
        )
    return msgspec.structs.replace(DROID, height=size, width=size)


def _network(
    changes: Mapping[str, Any], data: DataSpec, encoder: Weights, predictor: Weights
) -> tuple[TrainableModel, list[LoadReport]]:
    """The network with the weights; built on the meta device, to skip the initialisation."""
    file = load_model_file(FAMILY)
    recipe = changed(file.recipe(RECIPE), changes, f"{FAMILY}: ")
    with torch.device("meta"):
        network = file.build(recipe, data)
    assert isinstance(network, TrainableModel)
    parts = {"encoder": encoder, "predictor": predictor}
    reports = [load_weights(network.get_submodule(part), weights) for part, weights in parts.items()]
    return network.float().eval(), reports


def _checked(precision: str) -> Precision:
    """`precision`, if it is supported.

    Raises:
        ConfigError: naming the supported ones.
    """
    if precision == "bf16":
        raise ConfigError(
            "precision is bf16, but ONNX Runtime has no CPU kernels for it, so the graphs could not be "
            "tested; use fp16 or fp32"
        )
    if precision not in get_args(Precision):
        raise ConfigError(f"unknown precision '{precision}', {did_you_mean(precision, get_args(Precision))}")
    return cast(Precision, precision)
