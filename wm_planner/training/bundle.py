"""Bundles as they are written: a network's graphs, each compared with torch, and the card beside them."""

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
from wm_planner.training.graphs import EncodeGraph, StepGraph
from wm_planner.training.module import TrainableModel
from wm_planner.world_models.onnx.call_size import best_size, call_times_us
from wm_planner.world_models.onnx.card_file import CARD_FILE, DATA_SUFFIX, write_card
from wm_planner.world_models.onnx.model import Graph, OnnxWorldModel

Precision = Literal["fp32", "fp16"]

OPSET = 20
LARGEST_FILE = 2_000_000_000
"""Bytes of weights that a graph holds itself, for protobuf ends at 2 GiB; more lie in a file beside it."""

MAX_ABS_ERROR = {"fp32": 1e-4, "fp16": 0.1}
"""Of the graphs against torch in fp32; layer-normed tokens have a deviation of 1."""

BATCHES = (1, 2, 7, 64)  # the exporter sees 2
FEW = (1, 3)
MANY_WEIGHTS = 100_000_000
"""A network of more is tried at few batch sizes: 64 pictures through ViT-g take two cores 20 minutes."""

Trial = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
"""Inputs of a graph and what torch makes of them."""


def write_bundle(
    network: TrainableModel,
    action: ActionSpec,
    out: Path,
    card_of: Callable[[Mapping[str, GraphSpec]], Card],
    precision: Precision = "fp32",
    replace: bool = False,
) -> Card:
    """Write the bundle of `network` into folder `out`, whole or not at all.

    Args:
        network: in evaluation mode; lowered to `precision` when this returns.
        action: what `step` takes.
        card_of: makes the card of the graphs written; `max_candidates` is measured here.
        replace: whether an existing bundle is replaced.

    Raises:
        BundleError: as `check_bundle_folder`, or if a graph does not give what torch gives.
    """
    with fresh_folder(out, CARD_FILE if replace else None, BundleError) as folder:
        card = card_of(_write_graphs(network, action, folder, precision))
        write_card(card, folder)
        model = OnnxWorldModel.load(folder, device="cpu")
        card = msgspec.structs.replace(card, max_candidates=best_size(call_times_us(model)))
        write_card(card, folder)
    return card


def check_bundle_folder(out: Path, replace: bool) -> None:
    """Refuse a folder that exists, before the work is done; with `replace`, only one that holds no bundle.

    Raises:
        BundleError: saying what to do.
    """
    check_fresh(out, CARD_FILE if replace else None, BundleError)


def _write_graphs(
    network: TrainableModel, action: ActionSpec, folder: Path, precision: Precision
) -> dict[str, GraphSpec]:
    modules: dict[str, EncodeGraph | StepGraph] = {
        "encode": EncodeGraph(network).eval(),
        "step": StepGraph(network, action).eval(),
    }
    trials = {name: _trials(module) for name, module in modules.items()}
    if precision == "fp16":
        network.lower()
    return {
        name: _write_graph(module, folder / f"{name}.onnx", trials[name], MAX_ABS_ERROR[precision])
        for name, module in modules.items()
    }


@torch.no_grad()
def _trials(module: EncodeGraph | StepGraph) -> list[Trial]:
    """What the graph is compared with, at several batch sizes."""
    rng = np.random.default_rng(0)
    weights = sum(weight.numel() for weight in module.parameters())
    examples = [module.example(n, rng) for n in (FEW if weights > MANY_WEIGHTS else BATCHES)]
    return [(inputs, module(*inputs)) for inputs in examples]


def _write_graph(
    module: EncodeGraph | StepGraph, path: Path, trials: list[Trial], allowed: float
) -> GraphSpec:
    """Export one graph with a dynamic batch, and measure how far it is from torch."""
    program = _exported(module)
    _forget_sources(program)
    data = path.with_name(path.name + DATA_SUFFIX)
    program.save(path, external_data=_weight_bytes(program) > LARGEST_FILE)
    del program
    graph = Graph(path, ["CPUExecutionProvider"], threads=1)
    error = float(np.max([_difference(module, graph, trial) for trial in trials]))
    if not error <= allowed:  # nor is NaN
        raise BundleError(
            f"{path.name}: ONNX Runtime differs from torch by {error:.1e}, at most {allowed:.0e} is "
            "allowed; look for an operation that the exporter translates badly"
        )
    return GraphSpec(
        sha256=sha256(path),
        data_sha256=sha256(data) if data.is_file() else None,
        max_abs_error=error,
    )


def _exported(module: EncodeGraph | StepGraph) -> Any:
    """The graph in memory, as torch's exporter gives it."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that are not needed
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        return torch.onnx.export(
            module,
            module.example(2, np.random.default_rng(0)),
            input_names=module.inputs,
            output_names=module.outputs,
            dynamic_shapes={"inputs": tuple({0: batch} for _ in module.inputs)},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )


def _forget_sources(program: Any) -> None:
    """Take out what the exporter notes at every node: stack traces, with paths of this machine."""
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None


def _weight_bytes(program: Any) -> int:
    return sum(weight.const_value.nbytes for weight in program.model.graph.initializers.values())


def _difference(module: EncodeGraph | StepGraph, graph: Graph, trial: Trial) -> float:
    """The largest absolute difference between ONNX Runtime and what torch made of the same inputs."""
    inputs, wanted = trial
    got = graph.run({name: array.numpy() for name, array in zip(module.inputs, inputs, strict=True)})
    pairs = zip(module.outputs, wanted, strict=True)
    return float(np.max([np.abs(got[name] - array.numpy()).max() for name, array in pairs]))
