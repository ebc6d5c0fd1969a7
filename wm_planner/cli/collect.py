"""`wm collect`: record a data set."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from wm_planner.terminal import Bar, console, resumable


def collect(
    scene: Annotated[
        str,
        typer.Argument(help="scene file, traffic scenario, folder of scenarios, or simulator NAME,key=value"),
    ],
    out: Annotated[Path, typer.Option(help="folder of the data set; must not exist")],
    episodes: Annotated[int, typer.Option(min=1)] = 400,
    steps: Annotated[int, typer.Option(min=1, help="transitions per episode")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="seed of the first episode")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="number of processes; the data are the same")] = 2,
    ray: Annotated[bool, typer.Option("--ray", help="run the processes on a Ray cluster")] = False,
) -> None:
    """Record exploring motion in a scene, or drives in traffic, as a data set; continues if interrupted."""
    from wm_planner import collection, parallel

    config = collection.CollectConfig(scene=scene, episodes=episodes, steps=steps, seed=seed, jobs=jobs)
    with resumable(), Bar("episodes") as bar, parallel.on_ray() if ray else nullcontext():
        meta = collection.collect(config, out, lambda kept: bar.update(kept, episodes))
    rejected = ", ".join(f"{count} ({reason})" for reason, count in meta.rejected.items() if count)
    console.print(
        f"{out}: {meta.episodes} episodes of {meta.steps} steps, rejected: {rejected or 'none'}",
        soft_wrap=True,
        markup=False,
    )
