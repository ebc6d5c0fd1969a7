"""`wm train`: train a world model."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from wm_planner import share
from wm_planner.terminal import Bar, console, resumable


def train(
    model_file: Annotated[str, typer.Argument(help="model file, e.g. models/ac_jepa.py")],
    out: Annotated[Path, typer.Option(help="folder of the training run; an existing run is resumed")],
    recipe: Annotated[str, typer.Option(help="name in the model file's RECIPES")],
    data: Annotated[
        list[str] | None, typer.Option(help="data set; repeatable; of a policy by default its model's")
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="bundle or run in whose imagination a policy is trained")
    ] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="field=value of the recipe")] = None,
) -> None:
    """Train a world model or a policy on data sets, in one process or in those started by torchrun."""
    from wm_planner.config import setting
    from wm_planner.data.forms import open_dataset

    overrides = dict(map(setting, changes or ()))
    for path in filter(None, (model_file, of)):
        share.find(path)
    for folder in data or ():
        open_dataset(folder)
    from wm_planner.training import loop  # takes seconds, so mistyped paths are refused before

    with resumable(), Bar("iteration") as bar:

        def report(progress: loop.Progress) -> None:
            bar.describe(progress.terms_text, str(progress))
            if progress.reached_cpu_limit:
                console.print("stopped at its CPU limit; resume with a higher --set cpu_seconds")

        def warn(text: str) -> None:
            console.print(f"[yellow]warning:[/yellow] {escape(text)}", soft_wrap=True)

        loop.train(model_file, data or (), out, recipe, overrides, report, bar.update, warn, of=of)
