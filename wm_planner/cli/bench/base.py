"""The group of benchmark commands, and the options that they share."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from wm_planner.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True, help="Measure this installation; prints every figure of the documentation."
)
Models = Annotated[list[str], typer.Option("--model", help="bundle; repeatable")]
Positive = Annotated[int, typer.Option(min=1)]
SHIPPED = ["models/bundles/panda_reach", "models/bundles/panda_reach_small"]

BULLET = "bullet"
"""Name of the simulator of an arm that has no scene file."""


def scene_and_planner(launch: str, overrides: Sequence[str], model: str) -> tuple[str, dict[str, Any]]:
    """The scene file of a launch file, or BULLET, and the parameters of its planner, checked for `model`.

    Raises:
        ConfigError: if it simulates no scene file.
    """
    from wm_planner.launching import file as launch_file
    from wm_planner.launching.arguments import arguments

    path = launch_file.find(launch)
    if "model" in arguments(path):
        overrides = [*overrides, f"model={model}"]
    nodes = {node.program.stem: node.params for node in launch_file.load(path, "bench", overrides).nodes}
    simulated = nodes.get("simulator", {})
    scene = simulated.get("scene")
    if simulated.get("simulator") == {"type": BULLET}:
        scene = BULLET
    if scene is None or not scene.endswith((".py", BULLET)) or "planner" not in nodes:
        raise ConfigError(
            f"{path}: wanted a simulator with `scene: sim/x.py` or `simulator: {{type: {BULLET}}}`, and a "
            "planner, as panda_reach has"
        )
    return scene, nodes["planner"]
