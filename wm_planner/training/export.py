"""From a training run to a bundle: graphs that take raw sensors and physical actions, and their card."""

import logging
import shutil
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wm_planner.errors import BundleError
from wm_planner.training.graphs import EncodeGraph, StepGraph
from wm_planner.training.trained import Trained
from wm_planner.world_models.card import CARD_FILE, Card, GraphSpec, sha256, write_card
from wm_planner.world_models.onnx import Graph

OPSET = 20
MAX_ABS_ERROR = 1e-4
BATCHES = (1, 2, 7, 64)  # the exporter sees 2


def export(run: str | Path, out: str | Path) -> Card:
    """Write the bundle of a training run into folder `out`, whole or not at all; a bundle there is replaced.

    Raises:
        BundleError: if the run has no checkpoint, `out` holds something else, or a graph does not give
            what torch gives.
    """
    run, out = Path(run), Path(out)
    trained = Trained.load(run)
    if out.exists() and not (out / CARD_FILE).is_file():
        raise BundleError(f"{out} exists and is no bundle (no {CARD_FILE}); choose another folder")
    temporary = out.with_name(out.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        card = _write_bundle(trained, temporary, run, out)
    except BaseException:
        shutil.rmtree(temporary)
        raise
    if out.exists():
        shutil.rmtree(out)
    temporary.rename(out)
    return card


def _write_bundle(trained: Trained, folder: Path, run: Path, out: Path) -> Card:
    modules: dict[str, EncodeGraph | StepGraph] = {
        "encode": EncodeGraph(trained.network),
        "step": StepGraph(trained.network, trained.spec.data.action),
    }
    card = trained.card(
        out.name,
        graphs={name: _write_graph(module, folder / f"{name}.onnx") for name, module in modules.items()},
        command=(*trained.commands(run), f"wm export {run} --out {out}"),
    )
    write_card(card, folder)
    return card


def _write_graph(module: EncodeGraph | StepGraph, path: Path) -> GraphSpec:
    """Export one graph with a dynamic batch, and measure how far it is from torch."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that are not needed
    rng = np.random.default_rng(0)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            module.eval(),
            module.example(2, rng),
            path,
            input_names=module.inputs,
            output_names=module.outputs,
            dynamic_shapes={"inputs": tuple({0: batch} for _ in module.inputs)},
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    graph = Graph(path, ["CPUExecutionProvider"], threads=1)
    error = max(_difference(module, graph, module.example(n, rng)) for n in BATCHES)
    if error > MAX_ABS_ERROR:
        raise BundleError(
            f"{path.name}: ONNX Runtime differs from torch by {error:.1e}, at most {MAX_ABS_ERROR:.0e} is "
            "allowed; look for an operation that the exporter translates badly"
        )
    return GraphSpec(sha256=sha256(path), max_abs_error=error)


def _difference(module: EncodeGraph | StepGraph, graph: Graph, inputs: tuple[Tensor, ...]) -> float:
    """The largest absolute difference between torch and ONNX Runtime on `inputs`."""
    got = graph.run({name: array.numpy() for name, array in zip(module.inputs, inputs, strict=True)})
    with torch.no_grad():
        wanted = module(*inputs)
    pairs = zip(module.outputs, wanted, strict=True)
    return max(float(np.abs(got[name] - array.numpy()).max()) for name, array in pairs)
