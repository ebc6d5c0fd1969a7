"""`wm scenarios`: random traffic scenarios."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.terminal import Bar, console


def scenarios(
    out: Annotated[Path, typer.Argument(help="folder of the scenarios; must not exist")],
    count: Annotated[int, typer.Option(min=1)] = 300,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="seed of the first; 1000000 and up for training, 0 and up for evaluation"),
    ] = None,
) -> None:
    """Write random traffic scenarios as CommonRoad XML."""
    from wm_planner.contracts.dataset import COLLECTION_SEEDS
    from wm_planner.driving.generation.random_traffic import write_random_traffic

    first = COLLECTION_SEEDS if seed is None else seed
    with Bar("scenarios") as bar:
        write_random_traffic(out, range(first, first + count), lambda done: bar.update(done, count))
    console.print(f"{out}: {count} scenarios")
