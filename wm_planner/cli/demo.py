"""`wm demo`: the shortest way to see a robot plan with a world model."""

from typing import Annotated

import typer

from wm_planner.cli.launch import launch
from wm_planner.terminal import console

FILE = "panda_reach"


def demo(episodes: Annotated[int, typer.Option(min=1, help="goals to reach")] = 5) -> None:
    """Plan with a learned world model on a simulated arm, and show how well it went."""
    console.print(
        "A simulated Panda arm is given a picture of its goal. With a learned world model it plans how to\n"
        f"move its fingertips there. The same as `wm launch {FILE}`, with fewer episodes.\n"
    )
    launch(FILE, [f"episodes={episodes}"])
    console.print(
        "\nNext: `wm launch panda_reach_wall` puts a wall between the start and the goal,\n"
        "`wm --help` lists the commands, `wm doctor` says what else can be installed."
    )
