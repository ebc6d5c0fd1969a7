"""The benchmark of fine-tuning."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from wm_planner.cli.bench.base import app
from wm_planner.terminal import console, table


@app.command("fine-tuning")
def fine_tuning(
    pretrained: Annotated[str, typer.Argument(help="weights of a V-JEPA 2-AC, or folder of its run")],
    data: Annotated[list[str], typer.Option(help="own data set; repeatable")],
    recipe: Annotated[
        str, typer.Option(help="of models/vjepa2_ac.py, as of the pretrained weights")
    ] = "small",
    part: Annotated[str, typer.Option(help="part of the weights with the encoder")] = "encoder",
    changes: Annotated[list[str] | None, typer.Option("--set", help="field=value of the recipe")] = None,
    cpu_seconds: Annotated[float, typer.Option(min=1.0, help="of each of the two trainings")] = 300.0,
) -> None:
    """The loss on own data after some CPU time: fine-tuned, and with a predictor from scratch."""
    from wm_planner import share
    from wm_planner.bench.measurements.fine_tuning import measure_fine_tuning
    from wm_planner.config import setting
    from wm_planner.data.forms import open_dataset

    share.find(pretrained)
    for each in data:
        open_dataset(each)
    overrides = dict(map(setting, changes or ()))
    with TemporaryDirectory() as folder:
        curves = measure_fine_tuning(pretrained, part, data, recipe, overrides, cpu_seconds, Path(folder))
    times = [cpu_seconds * share_of for share_of in (0.1, 0.5, 1.0)]
    rows = table(
        f"{', '.join(data)}: loss of models/vjepa2_ac.py, recipe {recipe}, after CPU seconds",
        *("start", *(f"{time:.0f} s" for time in times), "iterations"),
    )
    for curve in curves:
        rows.add_row(curve.name, *(f"{curve.loss_at(time):.4f}" for time in times), str(curve.ends[-1]))
    console.print(rows)
