"""`wm energy`: the cost landscape around a recorded action."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.terminal import console


def energy(
    model: Annotated[str, typer.Argument(help="bundle")],
    data: Annotated[Path, typer.Option(help="data set, or .npz with observations and states")],
    out: Annotated[Path, typer.Option(help="folder of energy.png and energy.json")],
    episode: Annotated[int, typer.Option(min=0)] = 0,
    step: Annotated[int, typer.Option(min=0, help="index of the first of the two frames")] = 0,
    axes: Annotated[
        list[str] | None, typer.Option(help="dx,dy; repeatable; by default all pairs of the first three")
    ] = None,
    cells: Annotated[int, typer.Option(min=3, help="grid cells along each axis")] = 11,
    metric: Annotated[str, typer.Option(help="distance of the cost: l1 or l2")] = "l1",
) -> None:
    """Plot the cost of actions around the one that was recorded between two frames."""
    from wm_planner.config import convert
    from wm_planner.costs.distance import DistanceConfig
    from wm_planner.evaluation.model_quality import energy as e
    from wm_planner.evaluation.model_quality.pairs import recorded_pair
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    chosen = convert({"metric": metric}, DistanceConfig, "energy").metric
    loaded = OnnxWorldModel.load(model)
    pair = recorded_pair(data, loaded.card, episode, step)
    drawn = e.landscapes(loaded, pair, e.planes(loaded.card.action, axes or ()), cells, chosen)
    out.mkdir(parents=True, exist_ok=True)
    unsure = e.warning(loaded.card)
    title = f"{loaded.card.name}: {pair.source}" + (f"\n{unsure}" if unsure else "")
    console.print(e.landscape_table(title, drawn))
    for path in (e.plot(out, title, drawn), e.write_figures(out, loaded.card.name, pair.source, drawn)):
        console.print(f"  {path}  {path.stat().st_size / 1e3:.0f} KB", soft_wrap=True)
