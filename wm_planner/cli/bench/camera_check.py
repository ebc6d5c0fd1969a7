"""The benchmark of `wm camera-check`."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.cli.bench.base import Positive, app
from wm_planner.terminal import Bar, console, table


@app.command("camera-check")
def camera_check(
    model: Annotated[str, typer.Argument(help="bundle")],
    data: Annotated[Path, typer.Option(help="held-out data set of the model's robot")],
    cases: Positive = 10,
    pairs: Annotated[int, typer.Option(min=2, help="pairs of pictures per case")] = 40,
) -> None:
    """How often `wm camera-check` names turned and mirrored axes, a swapped gripper, and changed pictures."""
    from wm_planner.bench.measurements.camera_check import fault_rows
    from wm_planner.data.forms import open_dataset
    from wm_planner.evaluation.camera_check.selection import telling_pairs
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    loaded = OnnxWorldModel.load(model, device="cpu")
    found = telling_pairs(open_dataset(data), loaded.card, cases * pairs)
    rows = table(
        f"{data}: faults named by wm camera-check with {loaded.card.name} and {len(found) // cases} pairs of "
        "pictures each; error of the best hypothesis over that of no change",
        *("fault", "named", "something else", "error"),
    )
    with Bar("cases") as bar:
        for row in fault_rows(loaded, found, cases, bar.update):
            rows.add_row(row.fault, f"{row.named}/{row.cases}", str(row.wrong), f"{row.error:.3f}")
    console.print(rows)
