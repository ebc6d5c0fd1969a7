"""From a training run to a bundle: graphs that take raw sensors and physical actions, and the card that says so."""

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wm_planner.config import convert
from wm_planner.errors import BundleError
from wm_planner.training.checkpoint import Position, RunFolder, RunSpec
from wm_planner.training.module import ModelFile, TrainableModel, load_model_file
from wm_planner.world_models.card import CARD_FILE, Card, GraphSpec, TrainingRecord, sha256, write_card

OPSET = 20
MAX_ABS_ERROR = 1e-4
BATCHES = (1, 2, 7, 64)  # the exporter sees 2


class EncodeGraph(nn.Module):
    """`encode` with one input a camera, and the states where there are any."""

    def __init__(self, model: TrainableModel) -> None:
        super().__init__()
        self.model = model
        spec = model.observation
        self.cameras = len(spec.cameras)
        self.inputs = [f"image.{camera}" for camera in spec.cameras] + (["state"] if spec.state else [])
        self.outputs = [latent.name for latent in model.latents]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        images = torch.stack(inputs[: self.cameras], dim=1)
        state = inputs[-1] if self.model.observation.state else torch.empty(images.shape[0], 0)
        latent = self.model.encode(images, state)
        return tuple(latent[name] for name in self.outputs)

    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Inputs of size `batch`: noise pictures, normal states."""
        spec = self.model.observation
        shape = (batch, spec.height, spec.width, 3)
        arrays = [torch.from_numpy(rng.integers(256, size=shape, dtype=np.uint8)) for _ in spec.cameras]
        if spec.state:
            arrays.append(_normal(rng, (batch, sum(quantity.size for quantity in spec.state))))
        return tuple(arrays)


class StepGraph(nn.Module):
    """`step` with one input an array of the latent, and the action last."""

    def __init__(self, model: TrainableModel, low: Sequence[float], high: Sequence[float]) -> None:
        super().__init__()
        self.model = model
        self.bounds = (low, high)
        self.names = [latent.name for latent in model.latents]
        self.inputs = [*self.names, "action"]
        self.outputs = [f"next.{name}" for name in self.names]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        after = self.model.step(dict(zip(self.names, inputs[:-1], strict=True)), inputs[-1])
        return tuple(after[name] for name in self.names)

    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Inputs of size `batch`: normal latents, actions within their bounds."""
        latents = [_normal(rng, (batch, *latent.shape)) for latent in self.model.latents]
        action = rng.uniform(*self.bounds, size=(batch, len(self.bounds[0]))).astype(np.float32)
        return (*latents, torch.from_numpy(action))


def export(run: str | Path, out: str | Path) -> Card:
    """Write the bundle of a training run into folder `out`, whole or not at all; a bundle there is replaced.

    Raises:
        BundleError: if the run has no checkpoint, `out` holds something else, or a graph does not give
            what torch gives.
    """
    folder, out = RunFolder(Path(run)), Path(out)
    spec = folder.spec()
    file = load_model_file(spec.model_file)
    model = file.build(convert(spec.recipe, type(file.recipe(spec.recipe_name)), f"{folder.path}: recipe"), spec.data)
    position = folder.restore(model)
    if not position.iteration:
        raise BundleError(f"{folder.path} has no trained checkpoint; run `wm train` first")
    if out.exists() and not (out / CARD_FILE).is_file():
        raise BundleError(f"{out} exists and is no bundle (no {CARD_FILE}); choose another folder")
    temporary = out.with_name(out.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        card = _write_bundle(model.eval(), file, spec, position, temporary, out)
    except BaseException:
        shutil.rmtree(temporary)
        raise
    if out.exists():
        shutil.rmtree(out)
    temporary.rename(out)
    return card


def _write_bundle(
    model: TrainableModel, file: ModelFile, spec: RunSpec, position: Position, folder: Path, out: Path
) -> Card:
    graphs = {
        "encode": EncodeGraph(model),
        "step": StepGraph(model, spec.data.action.low, spec.data.action.high),
    }
    data = " ".join(f"--data {path}" for path in spec.datasets)
    card = Card(
        name=out.name,
        family=file.path.stem,
        about=model.about,
        observation=model.observation,
        action=spec.data.action,
        control_dt_s=spec.data.control_dt_s,
        latents=model.latents,
        graphs={name: _write_graph(graph, folder / f"{name}.onnx") for name, graph in graphs.items()},
        training=TrainingRecord(
            command=(
                f"wm train {spec.model_file} --recipe {spec.recipe_name} {data} --out runs/{out.name}",
                f"wm export runs/{out.name} --out {out}",
            ),
            data=spec.datasets,
            revision=spec.revision,
            seed=spec.recipe["seed"],
            iterations=position.iteration,
            cpu_seconds=round(position.cpu_seconds, 1),
            recipe=spec.recipe,
        ),
    )
    write_card(card, folder)
    return card


def _write_graph(graph: EncodeGraph | StepGraph, path: Path) -> GraphSpec:
    """Export one graph with a dynamic batch, and measure how far it is from torch."""
    rng = np.random.default_rng(0)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            graph,
            graph.example(2, rng),
            path,
            input_names=graph.inputs,
            output_names=graph.outputs,
            dynamic_shapes={"inputs": tuple({0: batch} for _ in graph.inputs)},
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    error = max(_difference(graph, session, graph.example(n, rng)) for n in BATCHES)
    if error > MAX_ABS_ERROR:
        raise BundleError(
            f"{path.name}: ONNX Runtime differs from torch by {error:.1e}, at most {MAX_ABS_ERROR:.0e} is allowed; "
            "look for an operation that the exporter translates badly"
        )
    return GraphSpec(sha256=sha256(path), max_abs_error=error)


def _difference(graph: EncodeGraph | StepGraph, session: Any, inputs: tuple[Tensor, ...]) -> float:
    """The largest absolute difference between torch and ONNX Runtime on `inputs`."""
    feed = {name: array.numpy() for name, array in zip(graph.inputs, inputs, strict=True)}
    with torch.no_grad():
        wanted = graph(*inputs)
    got: list[NDArray[np.float32]] = session.run(graph.outputs, feed)
    return max(float(np.abs(g - w.numpy()).max()) for g, w in zip(got, wanted, strict=True))


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
