"""`wm train`: train a world model."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.config import setting
from wm_planner.terminal import Bar, console


def train(
    model_file: Annotated[str, typer.Argument(help="path of a model file, models/x.py")],
    data: Annotated[list[str], typer.Option(help="data set folder; give several times")],
    out: Annotated[Path, typer.Option(help="folder of the training run; the same again resumes it")],
    recipe: Annotated[str, typer.Option(help="one of the model file's RECIPES")],
    changes: Annotated[list[str] | None, typer.Option("--set", help="recipe field=value")] = None,
) -> None:
    """Train a world model on data sets, in one process or in those that torchrun started."""
    from wm_planner.training import loop

    overrides = dict(map(setting, changes or ()))
    with Bar("iteration") as bar:

        def report(progress: loop.Progress) -> None:
            bar.say(progress.terms_text, str(progress))
            if progress.reached_cpu_limit:
                console.print("stopped at its CPU limit; resume with a higher --set cpu_seconds")

        loop.train(model_file, data, out, recipe, overrides, report, bar.move)
