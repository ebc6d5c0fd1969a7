"""`wm import`: published weights as a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.terminal import console

_HEADS_HELP = "number of attention heads, for unpublished weights"


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="weights of V-JEPA 2-AC, e.g. vjepa2-ac-vitg.pt")],
    out: Annotated[Path, typer.Option(help="folder of the bundle; must not exist")],
    precision: Annotated[
        str, typer.Option(help="precision of weights and arithmetic: fp32 or fp16")
    ] = "fp32",
    context: Annotated[
        int, typer.Option(min=1, help="frames that a step sees; at least the planner's horizon")
    ] = 2,
    encoder_heads: Annotated[int | None, typer.Option(min=1, help=_HEADS_HELP)] = None,
    predictor_heads: Annotated[int | None, typer.Option(min=1, help=_HEADS_HELP)] = None,
    size: Annotated[
        int, typer.Option(help="side of the pictures in pixels, for weights trained with another than 256")
    ] = 256,
    replace: Annotated[bool, typer.Option("--replace", help="replace an existing bundle")] = False,
) -> None:
    """Turn published weights into a bundle, and print the command that launches it."""
    from wm_planner.training import importing

    heads = importing.Heads(encoder_heads, predictor_heads)
    card, reports = importing.import_checkpoint(file, out, precision, context, heads, size, replace)
    for report in reports:
        console.print(
            f"{report.source}: {report.loaded} arrays, left over: {', '.join(report.left_over) or 'none'}"
        )
    errors = ", ".join(f"{name} {graph.max_abs_error:.1e}" for name, graph in card.graphs.items())
    console.print(f"{out}: {card.about}\nlargest difference between torch and ONNX Runtime: {errors}")
    horizon = "" if context >= importing.CONTEXT else f" horizon={context}"
    console.print(f"to launch it: wm launch franka_droid model={out}{horizon}", soft_wrap=True)
