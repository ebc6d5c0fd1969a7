"""Export of a training run to a bundle."""

import shutil
import tempfile
from pathlib import Path

import msgspec

from wm_planner import share
from wm_planner.contracts.card import Card, PolicySpec
from wm_planner.data.folders import fresh_folder
from wm_planner.errors import BundleError
from wm_planner.training.bundle import (
    MAX_ABS_ERROR,
    check_bundle_folder,
    examples_of,
    write_bundle,
    write_graph,
)
from wm_planner.training.checkpoint import RUN_FILE, RunFolder
from wm_planner.training.policy_graph import PolicyGraph
from wm_planner.training.trained import TrainedRun, training_commands, training_record
from wm_planner.training.trained_policy import TrainedPolicy
from wm_planner.world_models.onnx.card_file import CARD_FILE, DATA_SUFFIX, read_card, write_card
from wm_planner.world_models.onnx.model import OnnxWorldModel


def export(run: str | Path, out: str | Path, replace: bool = False) -> Card:
    """Write the bundle of a training run to folder `out`, atomically.

    That of a policy is the bundle of the world model that it was trained in, with the policy added.

    Args:
        run: folder of the training run.
        out: folder of the bundle.
        replace: whether an existing bundle is replaced.

    Raises:
        BundleError: if the run has no checkpoint, `out` exists (with `replace`: and is not a bundle), or a
            graph's outputs differ from torch's.
    """
    run, out = Path(run), Path(out)
    check_bundle_folder(out, replace)
    if RunFolder(run).spec().of:
        return _export_policy(run, out, replace)
    return _export_model(run, out, replace)


def _export_model(run: Path, out: Path, replace: bool) -> Card:
    trained = TrainedRun.load(run)
    command = (*training_commands(run), f"wm export {run} --out {out}")
    return write_bundle(
        trained.network,
        trained.action,
        out,
        lambda graphs: trained.card(out.name, graphs, command),
        replace=replace,
    )


def _export_policy(run: Path, out: Path, replace: bool) -> Card:
    trained = TrainedPolicy.load(run)
    command = (*training_commands(run), f"wm export {run} --out {out}")
    record = training_record(trained.spec, trained.position, command)
    with (
        tempfile.TemporaryDirectory() as scratch,
        fresh_folder(out, CARD_FILE if replace else None, BundleError) as folder,
    ):
        of = next(iter(trained.spec.of))
        if (Path(of) / RUN_FILE).is_file():
            _export_model(Path(of), Path(scratch) / out.name, replace=False)
            of = str(Path(scratch) / out.name)
        card = _copy_bundle(share.find(of), folder)
        graph = PolicyGraph(trained.network, card).eval()
        act = write_graph(graph, folder / "act.onnx", examples_of(graph), MAX_ABS_ERROR["fp32"])
        card = msgspec.structs.replace(
            card,
            name=out.name,
            policy=PolicySpec(goal=trained.network.goal, training=record),
            graphs={**card.graphs, "act": act},
        )
        write_card(card, folder)
        OnnxWorldModel.load(folder, device="cpu")  # checks act.onnx against the card
    return card


def _copy_bundle(source: Path, folder: Path) -> Card:
    """Copy the graphs of a bundle, and return its card."""
    card = read_card(source)
    for name in card.graphs:
        for file in (source / f"{name}.onnx", source / f"{name}.onnx{DATA_SUFFIX}"):
            if file.is_file():
                shutil.copyfile(file, folder / file.name)
    return card
