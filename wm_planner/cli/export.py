"""`wm export`: a trained model as a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.terminal import console


def export(
    run: Annotated[Path, typer.Argument(help="folder of a training run")],
    out: Annotated[Path, typer.Option(help="folder of the bundle; must not exist")],
    replace: Annotated[bool, typer.Option("--replace", help="replace an existing bundle")] = False,
) -> None:
    """Export a trained model as a bundle of ONNX graphs with a card."""
    from wm_planner.training.export import export as export_bundle

    card = export_bundle(run, out, replace)
    errors = ", ".join(f"{name} {graph.max_abs_error:.1e}" for name, graph in card.graphs.items())
    console.print(f"{out}: {card.about}\nlargest difference between torch and ONNX Runtime: {errors}")
    console.print(f"candidates per model call with the least CPU per candidate: {card.max_candidates}")
