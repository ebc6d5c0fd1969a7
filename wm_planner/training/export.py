"""Export of a training run to a bundle."""

from pathlib import Path

from wm_planner.contracts.card import Card
from wm_planner.training.bundle import check_bundle_folder, write_bundle
from wm_planner.training.trained import TrainedRun, training_commands


def export(run: str | Path, out: str | Path, replace: bool = False) -> Card:
    """Write the bundle of a training run to folder `out`, atomically.

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
    trained = TrainedRun.load(run)
    command = (*training_commands(run), f"wm export {run} --out {out}")
    return write_bundle(
        trained.network,
        trained.spec.data.action,
        out,
        lambda graphs: trained.card(out.name, graphs, command),
        replace=replace,
    )
