from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from moving_dot import write

from wm_planner.contracts.observation import Observation
from wm_planner.errors import BundleError
from wm_planner.training import bundle as bundle_module
from wm_planner.training.checkpoint import RunFolder
from wm_planner.training.export import export
from wm_planner.training.loop import train
from wm_planner.training.torch_model import TorchWorldModel
from wm_planner.world_models.onnx.call_size import SIZES
from wm_planner.world_models.onnx.card_file import read_card
from wm_planner.world_models.onnx.model import OnnxWorldModel

torch.set_num_threads(1)
MODEL = "models/ac_jepa.py"
TINY = {
    "small": {"encoder.channels": [8], "encoder.latent": 8, "encoder.hidden": 8},
    "tokens": {"encoder.dim": 16, "encoder.heads": 1, "encoder.latent": 4, "encoder.encoder_depth": 1},
}


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "dots", seed=0)


@pytest.fixture(scope="session", params=["small", "tokens"])
def exported(request, data, tmp_path_factory):
    """A run of a few iterations and its bundle."""
    folder = tmp_path_factory.mktemp(request.param)
    changes = {**TINY[request.param], "iterations": 3, "batch": 4, "picture": 16}
    train(MODEL, [data.path], folder / "run", request.param, changes, report=lambda progress: None)
    export(folder / "run", folder / "bundle")
    return folder / "run", folder / "bundle"


def session(bundle, graph):
    return onnxruntime.InferenceSession(bundle / f"{graph}.onnx", providers=["CPUExecutionProvider"])


def observation(data, row):
    return Observation(
        images=dict(zip(data.meta.cameras, data.images[row], strict=True)),
        state={"tcp_position": data.quantity("tcp_position")[row]},
    )


def feed(data, rows, card):
    """Raw sensor inputs of `encode.onnx` for some frames."""
    inputs = {f"image.{name}": data.images[rows, i] for i, name in enumerate(data.meta.cameras)}
    if card.observation.state:
        inputs["state"] = data.quantity("tcp_position")[rows]
    return inputs


def test_the_card_documents_the_graphs_and_their_training(exported, data):
    run, bundle = exported
    card = read_card(bundle)
    assert card.family == "ac_jepa"
    assert card.name == "bundle"
    assert all(graph.max_abs_error <= 1e-4 for graph in card.graphs.values())
    assert set(card.graphs) == {"encode", "step"}
    assert card.max_candidates in SIZES
    assert card.training.data.keys() == {str(data.path)}
    assert card.training.iterations == 3
    collect_line, train_line, export_line = card.training.command
    assert collect_line == data.meta.command(str(data.path))
    assert f"--out {data.path} --episodes {data.meta.episodes}" in collect_line
    assert train_line.startswith(f"wm train {MODEL} --recipe ")
    assert f"--data {data.path} --set iterations=3 --set batch=4 " in train_line
    assert "--set 'encoder.channels=[8]'" in train_line or "--set encoder.dim=16" in train_line
    assert export_line == f"wm export {run} --out {bundle}"
    assert card.training.cpu_seconds >= 0
    assert card.training.recipe == RunFolder(run).spec().recipe
    assert {path.name for path in bundle.iterdir()} == {"card.yaml", "encode.onnx", "step.onnx"}


def test_graphs_have_the_names_of_the_card_and_take_any_batch_size(exported, data):
    card = read_card(exported[1])
    encode, step = session(exported[1], "encode"), session(exported[1], "step")
    latents = [latent.name for latent in card.latents]
    assert [i.name for i in encode.get_inputs()] == list(feed(data, [0], card))
    assert [o.name for o in encode.get_outputs()] == latents
    assert [i.name for i in step.get_inputs()] == [*latents, "action"]
    assert [o.name for o in step.get_outputs()] == [f"next.{name}" for name in latents]
    assert not any(isinstance(i.shape[0], int) for i in (*encode.get_inputs(), *step.get_inputs()))


def test_encode_matches_torch_for_one_frame_and_for_many(exported, data):
    model, bundle = TorchWorldModel.of_run(exported[0]), OnnxWorldModel.load(exported[1], device="cpu")
    rows = [0, 5, 9, 30, 31]
    many = session(exported[1], "encode").run(None, feed(data, rows, bundle.card))
    for n, row in enumerate(rows):
        wanted, got = (world_model.encode(observation(data, row)) for world_model in (model, bundle))
        for latent, batched in zip(bundle.card.latents, many, strict=True):
            np.testing.assert_allclose(got[latent.name], wanted[latent.name], atol=1e-4)
            np.testing.assert_allclose(batched[n], wanted[latent.name][0], atol=1e-4)


@pytest.mark.parametrize(("candidates", "horizon"), [(1, 1), (3, 4), (64, 8)])
def test_a_rollout_matches_torch_at_any_batch_size_and_horizon(exported, data, candidates, horizon):
    model, bundle = TorchWorldModel.of_run(exported[0]), OnnxWorldModel.load(exported[1], device="cpu")
    actions = np.random.default_rng(0).uniform(-0.05, 0.05, (candidates, horizon, 3))
    start = bundle.encode(observation(data, 0))
    got, wanted = (world_model.rollout(start, actions) for world_model in (bundle, model))
    for latent in bundle.card.latents:
        assert got.latents[latent.name].shape == (candidates, horizon, *latent.shape)
        np.testing.assert_allclose(got.latents[latent.name], wanted.latents[latent.name], atol=1e-4)
    assert set(got.states) == {latent.name for latent in bundle.card.latents if latent.unit}


def test_a_graph_is_a_single_file_of_the_expected_opset(exported):
    graph = onnx.load(exported[1] / "step.onnx", load_external_data=False)
    assert [entry.version for entry in graph.opset_import if entry.domain == ""] == [bundle_module.OPSET]
    assert not any(tensor.external_data for tensor in graph.graph.initializer)


def test_graphs_contain_no_stack_traces(exported):
    for name in ("encode", "step"):
        graph = onnx.load(exported[1] / f"{name}.onnx").graph
        assert not any(node.metadata_props or node.doc_string for node in graph.node)


def test_a_run_without_a_checkpoint_is_refused(exported, tmp_path):
    (tmp_path / "run.yaml").write_bytes((exported[0] / "run.yaml").read_bytes())
    with pytest.raises(BundleError, match="no trained checkpoint; run `wm train`"):
        export(tmp_path, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_folder_that_is_not_a_bundle_is_not_touched(exported, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BundleError, match="exists already"):
        export(exported[0], tmp_path)
    with pytest.raises(BundleError, match=r"cannot be replaced: it contains no card\.yaml"):
        export(exported[0], tmp_path, replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_refusal_to_overwrite_a_bundle_names_the_option(exported):
    with pytest.raises(BundleError, match="exists already and is a bundle: add --replace"):
        export(*exported)


def test_a_graph_that_differs_from_torch_leaves_nothing_behind(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_module, "write_graph", _refuse)
    with pytest.raises(BundleError, match="differs"):
        export(exported[0], tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def _refuse(graph, path: Path, *others):
    path.write_bytes(b"half a graph")
    raise BundleError("differs")
