"""The benchmark of models that plan for reward: return and success in any simulator."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from wm_planner.cli.bench.base import Positive, app
from wm_planner.errors import ConfigError
from wm_planner.terminal import console

DEFAULT_STEPS = 30
"""Of the simulator node."""


@app.command()
def returns(
    launch: Annotated[
        str, typer.Argument(help="launch file whose simulator, planner, costs and model are used")
    ],
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value of the launch file")] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="bundle instead of the launch file's; repeatable")
    ] = None,
    episodes: Positive = 40,
    steps: Annotated[
        int | None, typer.Option(min=1, help="largest number per episode; the launch file's by default")
    ] = None,
    cut_memory: Annotated[
        bool, typer.Option("--cut-memory", help="also each model with its memory cut at every tick")
    ] = False,
    random: Annotated[bool, typer.Option(help="also random actions")] = True,
    first_seed: Annotated[int, typer.Option(min=0, help="seed of the first episode")] = 10_000,
    workers: Positive = 2,
    out: Annotated[Path | None, typer.Option(help="JSON file of the rows")] = None,
) -> None:
    """Return and success of episodes in which the actions of a model are the commands of a simulator."""
    from wm_planner.evaluation.closed_loop import returns as r
    from wm_planner.evaluation.closed_loop.actors import Actor, Planned, RandomActor

    simulator, params, limit = _settings(launch, overrides or ())
    limit = steps or limit
    search = params["planner"], params["costs"], params.get("mpc", {})
    names = model or [params["world_model"]]
    actors: dict[str, Callable[[], Actor]] = {"random actions": RandomActor} if random else {}
    for name in names:
        actors[name] = Planned(name, *search)
        if cut_memory:
            actors[f"{name}, memory cut"] = Planned(name, *search, remembers=False)
    rows = []
    seeds = range(first_seed, first_seed + episodes)
    for name, actor in actors.items():
        results = r.run_episodes(simulator, actor, seeds, limit, workers)
        rows.append(r.return_row(name, simulator.get("id", simulator["type"]), limit, results))
        console.print(f"{name}: {rows[-1].at_end[0]} of {episodes} solved at the end", markup=False)
    console.print(r.return_table(f"{Path(launch).stem}: {episodes} episodes of {limit} steps", rows))
    if out:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


def _settings(
    launch: str, overrides: list[str] | tuple[str, ...]
) -> tuple[dict[str, Any], Mapping[str, Any], int]:
    """Simulator, parameters of the planner, and steps per episode of a launch file.

    Raises:
        ConfigError: if its controller does more than pass actions on, or it plans without a bundle.
    """
    from wm_planner.launching import file as launch_file
    from wm_planner.simulation.selection import simulator_spec

    path = launch_file.find(launch)
    nodes = {node.program.stem: node.params for node in launch_file.load(path, "bench", overrides).nodes}
    control = nodes.get("controller", {}).get("control", {})
    if not isinstance(control, Mapping) or control.get("type") != "passthrough":
        raise ConfigError(
            f"{path}: wanted a controller with `control: {{type: passthrough, ...}}`, as pendulum has; "
            "for arms there is `wm bench success`, for driving `wm evaluate`"
        )
    simulator, planner = nodes.get("simulator", {}), nodes.get("planner", {})
    if "world_model" not in planner:
        raise ConfigError(f"{path}: wanted a planner with a world_model, as pendulum has")
    given = simulator.get("simulator") or simulator.get("scene", "")
    return simulator_spec(given, f"{path}: simulator"), planner, simulator.get("steps", DEFAULT_STEPS)
