"""`wm export`: a trained model as a bundle."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wm_planner.terminal import console


class Layout(StrEnum):
    """What a trained model is exported as."""

    BUNDLE = "bundle"
    VJEPA2_AC = "vjepa2_ac"


def export(
    run: Annotated[Path, typer.Argument(help="folder of a training run")],
    out: Annotated[Path, typer.Option(help="folder of the bundle; must not exist")],
    replace: Annotated[bool, typer.Option("--replace", help="replace an existing bundle or file")] = False,
    layout: Annotated[
        Layout, typer.Option(help="a bundle, or weights as facebookresearch/vjepa2 publishes them")
    ] = Layout.BUNDLE,
) -> None:
    """Export a trained model as a bundle of ONNX graphs with a card, or as published weights."""
    if layout is Layout.VJEPA2_AC:
        return _publish(run, out, replace)
    from wm_planner.training.export import export as export_bundle

    card = export_bundle(run, out, replace)
    errors = ", ".join(f"{name} {graph.max_abs_error:.1e}" for name, graph in card.graphs.items())
    console.print(f"{out}: {card.about}\nlargest difference between torch and ONNX Runtime: {errors}")
    console.print(f"candidates per model call with the least CPU per candidate: {card.max_candidates}")
    return None


def _publish(run: Path, out: Path, replace: bool) -> None:
    from wm_planner.training.publishing import publish

    written = publish(run, out, replace)
    arrays = ", ".join(f"{count} arrays of the {part}" for part, count in written.arrays.items())
    heads = " ".join(f"--{part}-heads {count}" for part, count in written.heads.items())
    console.print(f"{out}: {arrays}")
    console.print(f"to make a bundle of it: wm import {out} --out MINE {heads}", soft_wrap=True)
