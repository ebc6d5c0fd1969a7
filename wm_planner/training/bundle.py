"""Writing of bundles: export a network's graphs, compare each with torch, and write the card."""

import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor

from wm_planner.checksum import sha256
from wm_planner.contracts.card import ActionSpec, Card, GraphSpec
from wm_planner.data.folders import check_fresh, fresh_folder
from wm_planner.errors import BundleError
from wm_planner.training.graphs import ActGraph, BundleGraph, DecodeGraph, EncodeGraph, StepGraph
from wm_planner.training.module import TrainableModel
from wm_planner.training.parity import relative_error
from wm_planner.world_models.onnx.call_size import best_size, call_times_us
from wm_planner.world_models.onnx.card_file import CARD_FILE, DATA_SUFFIX, write_card
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.session import Graph

Precision = Literal["fp32", "fp16"]

OPSET = 20
LARGEST_FILE = 2_000_000_000
"""Bytes of weights above which they are stored in an external file; protobuf files are limited to 2 GiB."""

MAX_ABS_ERROR = {"fp32": 1e-4, "fp16": 0.1}
"""Largest error of the graphs compared with torch in fp32, relative to arrays whose size is above 1;
layer-normed tokens have unit variance.
"""

BATCHES = (1, 2, 7, 64)  # tested batch sizes; the export itself uses 2
FEW_BATCHES = (1, 3)
MANY_WEIGHTS = 100_000_000
"""Larger networks are tested with few batch sizes: ViT-g takes 20 minutes for 64 images on two cores."""

Example = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
"""Inputs of a graph, and torch's outputs for them."""


def write_bundle(
    network: TrainableModel,
    action: ActionSpec,
    out: Path,
    card_of: Callable[[Mapping[str, GraphSpec]], Card],
    precision: Precision = "fp32",
    replace: bool = False,
) -> Card:
    """Write the bundle of `network` to folder `out`, atomically.

    Args:
        network: in evaluation mode; converted to `precision` when this returns.
        action: of `step`.
        out: the folder.
        card_of: returns the card for the checksums of the graphs; its `max_candidates` is replaced by the
            measured best size of a call.
        precision: of weights and arithmetic.
        replace: whether an existing bundle is replaced.

    Returns:
        The card as it was written.

    Raises:
        BundleError: as `check_bundle_folder`, or if a graph's outputs differ from torch's.
    """
    with fresh_folder(out, CARD_FILE if replace else None, BundleError) as folder:
        card = card_of(_write_graphs(network, action, folder, precision))
        write_card(card, folder)
        model = OnnxWorldModel.load(folder, device="cpu")
        card = msgspec.structs.replace(card, max_candidates=best_size(call_times_us(model)))
        write_card(card, folder)
    return card


def check_bundle_folder(out: Path, replace: bool) -> None:
    """Check that a bundle may be written to `out`, before the work for it is done.

    Raises:
        BundleError: if the folder exists, unless it is a bundle and `replace` is set.
    """
    if not replace and (out / CARD_FILE).is_file():
        raise BundleError(f"{out} exists already and is a bundle: add --replace, or choose another folder")
    check_fresh(out, CARD_FILE if replace else None, BundleError)


def _write_graphs(
    network: TrainableModel, action: ActionSpec, folder: Path, precision: Precision
) -> dict[str, GraphSpec]:
    modules: dict[str, BundleGraph] = {
        "encode": EncodeGraph(network, action).eval(),
        "step": StepGraph(network, action).eval(),
    }
    if "decode" in network.capabilities:
        modules["decode"] = DecodeGraph(network, action).eval()
    if network.has_policy:
        modules["act"] = ActGraph(network, action).eval()
    examples = {name: examples_of(module) for name, module in modules.items()}
    if precision == "fp16":
        network.to_half()
    return {
        name: write_graph(module, folder / f"{name}.onnx", examples[name], MAX_ABS_ERROR[precision])
        for name, module in modules.items()
    }


@torch.no_grad()
def examples_of(module: BundleGraph) -> list[Example]:
    """Random inputs of several batch sizes, with torch's outputs."""
    rng = np.random.default_rng(0)
    weights = sum(weight.numel() for weight in module.parameters())
    batches = FEW_BATCHES if weights > MANY_WEIGHTS else BATCHES
    inputs = [module.example(batch, rng) for batch in batches]
    return [(each, module(*each)) for each in inputs]


def write_graph(module: BundleGraph, path: Path, examples: list[Example], allowed: float) -> GraphSpec:
    """Export one graph with a dynamic batch size, and measure its error compared with torch."""
    program = _export(module)
    _strip_metadata(program)
    data = path.with_name(path.name + DATA_SUFFIX)
    program.save(path, external_data=_weight_bytes(program) > LARGEST_FILE)
    del program
    graph = Graph(path, ["CPUExecutionProvider"], threads=1)
    error = _error(path.name, module, graph, examples)
    if not error <= allowed:  # true for NaN too
        raise BundleError(
            f"{path.name}: ONNX Runtime differs from torch by {error:.1e}, at most {allowed:.0e} is "
            "allowed; look for an operation that the exporter translates incorrectly"
        )
    return GraphSpec(
        sha256=sha256(path),
        data_sha256=sha256(data) if data.is_file() else None,
        max_abs_error=error,
    )


def _export(module: BundleGraph) -> Any:
    """The graph in memory, as returned by torch's exporter."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns about optional packages
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporter
        return torch.onnx.export(
            module,
            module.example(2, np.random.default_rng(0)),
            input_names=module.inputs,
            output_names=module.outputs,
            dynamic_shapes={"inputs": tuple({} if n in module.single else {0: batch} for n in module.inputs)},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )


def _strip_metadata(program: Any) -> None:
    """Remove the exporter's annotations of every node: stack traces with local paths."""
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None


def _weight_bytes(program: Any) -> int:
    return sum(weight.const_value.nbytes for weight in program.model.graph.initializers.values())


def _error(name: str, module: BundleGraph, graph: Graph, examples: list[Example]) -> float:
    """Largest error of ONNX Runtime's outputs compared with torch's.

    Raises:
        BundleError: if pixels or whole numbers differ by more than is allowed.
    """
    runs = [
        graph.run({n: a.numpy() for n, a in zip(module.inputs, each, strict=True)}) for each, _ in examples
    ]
    errors = [
        relative_error(
            f"{name}: {output}",
            [wanted[index].numpy() for _, wanted in examples],
            [run[output] for run in runs],
        )
        for index, output in enumerate(module.outputs)
    ]
    return float(np.max(errors))
