"""`wm bench data`: speed and size of the forms of a data set."""

from typing import Annotated

import typer

from wm_planner.cli.bench.base import Positive, app
from wm_planner.terminal import console, table


@app.command()
def data(
    scene: Annotated[str, typer.Option(help="scene file whose pictures are stored")] = "sim/panda_push.py",
    pixels: Annotated[int, typer.Option(min=8, help="height and width of a picture")] = 224,
    episodes: Positive = 8,
    steps: Annotated[int, typer.Option(min=8, help="transitions per episode")] = 60,
) -> None:
    """Write and read a data set in every form: pictures per second and core, size, and equality."""
    from wm_planner.bench.measurements.datasets import form_rows, recorded_episodes

    meta, recorded = recorded_episodes(scene, pixels, episodes, steps)
    rates = table(
        f"{scene}, {pixels} x {pixels} px: pictures per second of CPU time in one process",
        *("form", "written", "read", "clips at random", "kB / picture", "equal"),
    )
    for row in form_rows(meta, recorded, ("folder", "npz", "lerobot")):
        rates.add_row(
            row.form,
            f"{row.written:.0f}",
            f"{row.read:.0f}",
            f"{row.sampled:.0f}",
            f"{row.kilobytes:.1f}",
            "yes" if row.is_equal else "no",
        )
    console.print(rates)
