"""From a training run to a bundle: graphs that take raw sensors and physical actions, and their card."""

from pathlib import Path

from wm_planner.contracts.card import Card
from wm_planner.training.bundle import check_bundle_folder, write_bundle
from wm_planner.training.trained import Trained, training_commands


def export(run: str | Path, out: str | Path, replace: bool = False) -> Card:
    """Write the bundle of a training run into folder `out`, whole or not at all.

    Args:
        replace: whether an existing bundle is replaced.

    Raises:
        BundleError: if the run has no checkpoint, `out` exists (with `replace`: and is no bundle), or a graph
            does not give what torch gives.
    """
    run, out = Path(run), Path(out)
    check_bundle_folder(out, replace)
    trained = Trained.load(run)
    command = (*training_commands(run), f"wm export {run} --out {out}")
    return write_bundle(
        trained.network,
        trained.spec.data.action,
        out,
        lambda graphs: trained.card(out.name, graphs, command),
        replace=replace,
    )
