"""`wm convert`: convert a recording or a data set."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from wm_planner.terminal import Bar, console


def convert(
    source: Annotated[Path, typer.Argument(help="data set of any form, MCAP file, or rosbag2 folder")],
    out: Annotated[Path, typer.Argument(help="folder of the new data set; must not exist")],
    to: Annotated[
        Literal["folder", "lerobot", "npz"], typer.Option(help="form of the new data set")
    ] = "folder",
    topics: Annotated[Path | None, typer.Option(help="YAML file: what to read of a recording")] = None,
    shrink: Annotated[
        int, typer.Option(min=1, help="whole factor by which pictures become smaller, by area averaging")
    ] = 1,
    card: Annotated[Path | None, typer.Option(help="bundle whose inputs and actions a recording has")] = None,
) -> None:
    """Convert a recording or a data set into a data set: our folder, LeRobotDataset v3, or NumPy archives."""
    from wm_planner import share
    from wm_planner.collection.convert import convert
    from wm_planner.collection.topic_map import TopicMap
    from wm_planner.world_models.onnx.card_file import read_card

    chosen = TopicMap.read(topics) if topics else None
    if card is not None:
        chosen = TopicMap.of_card(read_card(share.find(card)))

    def warn(text: str) -> None:
        console.print(f"[yellow]warning:[/yellow] {escape(text)}", soft_wrap=True)

    with Bar("episodes") as bar:
        meta = convert(source, out, to, chosen, bar.update, warn, shrink)
    frames = meta.shapes["episode"][0][0]
    console.print(f"{out}: {meta.episodes} episodes, {frames} frames", soft_wrap=True, markup=False)
