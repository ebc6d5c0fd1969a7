"""`wm export-planner`: a whole planner as one ONNX graph."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.errors import ConfigError
from wm_planner.terminal import console


def export_planner(
    model: Annotated[str, typer.Argument(help="bundle")],
    out: Annotated[Path, typer.Option(help="ONNX file to write, e.g. planner.onnx")],
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value of the launch file")] = None,
    launch: Annotated[str | None, typer.Option(help="launch file whose planner and costs are used")] = None,
    planner: Annotated[
        str | None,
        typer.Option(help="without a launch file: icem, cem, ...; plans to the latent of the goal"),
    ] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="field=value of the planner")] = None,
) -> None:
    """Write a whole planner as one ONNX graph, which any ONNX runtime can run."""
    from wm_planner.config import put, setting
    from wm_planner.launching.file import planning
    from wm_planner.portable import export as portable

    if launch is not None and planner is not None:
        raise ConfigError("got --launch and --planner, wanted one of them: a launch file has its own planner")
    if launch is None and overrides:
        raise ConfigError(
            f"got '{overrides[0]}', which needs --launch; fields of the planner are set by --set"
        )
    spec, costs = {"type": planner or "icem"}, [{"type": "latent_goal"}]
    if launch is not None:
        spec, costs = planning(launch, overrides or ())
    for change in changes or ():
        put(spec, *setting(change))
    made = portable.export_planner(model, spec, costs, out, f"{launch}: " if launch else "")
    for title, ports in (("inputs", made.inputs), ("outputs", made.outputs)):
        console.print(f"{out} {title}")
        for name, description in ports.items():
            console.print(f"  {name:20s} {description}", soft_wrap=True, markup=False, highlight=False)
    difference = made.difference
    console.print(
        f"{out}: {out.stat().st_size / 1e3:.0f} KB; largest difference from the Python planner in "
        f"{difference.plans} plans: actions {difference.actions:.1e} of half their range, "
        f"cost {difference.cost:.1e}",
        soft_wrap=True,
    )
