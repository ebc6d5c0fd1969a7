"""`wm export-planner`: a whole planner as one ONNX graph."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.config import put, setting
from wm_planner.errors import ConfigError
from wm_planner.terminal import console


def export_planner(
    model: Annotated[str, typer.Argument(help="bundle")],
    out: Annotated[Path, typer.Option(help="file of the planner, planner.onnx")],
    overrides: Annotated[list[str] | None, typer.Argument(help="the launch file's argument=value")] = None,
    launch: Annotated[str | None, typer.Option(help="launch file: its planner and costs are taken")] = None,
    planner: Annotated[
        str | None, typer.Option(help="without a launch file: icem, cem, ...; to the latent of the goal")
    ] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="the planner's field=value")] = None,
) -> None:
    """Write a whole planner as one ONNX graph, which any ONNX runtime plans with."""
    from wm_planner.launching.file import planning
    from wm_planner.portable import export as portable

    if launch is not None and planner is not None:
        raise ConfigError("got --launch and --planner, wanted one: a launch file has a planner")
    if launch is None and overrides:
        raise ConfigError(f"got '{overrides[0]}', wanted --launch with it; fields of a planner are --set")
    spec, costs = {"type": planner or "icem"}, [{"type": "latent_goal"}]
    if launch is not None:
        spec, costs = planning(launch, overrides or ())
    for change in changes or ():
        put(spec, *setting(change))
    made = portable.export_planner(model, spec, costs, out, f"{launch}: " if launch else "")
    for title, ports in (("takes", made.inputs), ("gives", made.outputs)):
        console.print(f"{out} {title}")
        for name, words in ports.items():
            console.print(f"  {name:20s} {words}", soft_wrap=True, markup=False, highlight=False)
    told = made.difference
    console.print(
        f"{out}: {out.stat().st_size / 1e3:.0f} KB; largest difference from the Python planner in "
        f"{told.plans} plans: actions {told.actions:.1e} of half their range, cost {told.cost:.1e}",
        soft_wrap=True,
    )
