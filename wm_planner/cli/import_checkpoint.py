"""`wm import`: published weights as a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.terminal import console


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="a published V-JEPA 2-AC, e.g. vjepa2-ac-vitg.pt")],
    out: Annotated[Path, typer.Option(help="folder of the bundle")],
    precision: Annotated[str, typer.Option(help="of weights and arithmetic: fp32 or fp16")] = "fp32",
    context: Annotated[int, typer.Option(min=1, help="frames that a step sees; beyond 1 by a cache")] = 1,
) -> None:
    """Turn published weights into a bundle that is ready to launch."""
    from wm_planner.training import importing

    card, reports = importing.import_checkpoint(file, out, precision, context)
    for report in reports:
        console.print(
            f"{report.source}: {report.loaded} arrays, left over: {', '.join(report.left_over) or 'none'}"
        )
    errors = ", ".join(f"{name} {graph.max_abs_error:.1e}" for name, graph in card.graphs.items())
    console.print(f"{out}: {card.about}\nlargest difference between torch and ONNX Runtime: {errors}")
    console.print(f"candidates per model call with the least CPU per candidate: {card.max_candidates}")
