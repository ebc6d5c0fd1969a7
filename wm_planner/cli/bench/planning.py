"""Benchmarks of planners, model calls and planning over physics."""

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from wm_planner import share
from wm_planner.cli.bench.base import (
    SHIPPED,
    Models,
    Positive,
    app,
)
from wm_planner.terminal import console, table


@app.command()
def planners(
    seeds: Positive = 11,
    processes: Positive = 100,
    plans: Annotated[int, typer.Option(min=1, help="timed plans per row")] = 200,
    deadline_rounds: Annotated[
        int, typer.Option(min=0, help="rounds of 500 plans of 50 ms; 0 skips them")
    ] = 3,
    peers: Annotated[
        bool,
        typer.Option(
            "--peers", help="only the comparison with other libraries, installed in ~/.cache/wm_planner/peers"
        ),
    ] = False,
) -> None:
    """Planners on problems with known answers, their own time, and how they keep deadlines."""
    from wm_planner.bench.measurements.peers import peer_table
    from wm_planner.bench.measurements.planners import planner_tables

    tables = [peer_table()] if peers else planner_tables(seeds, processes, plans, deadline_rounds)
    for rows in tables:
        console.print(rows)


@app.command()
def search(
    launch: Annotated[str, typer.Argument(help="launch file: scene, horizon and costs")] = "panda_reach_wall",
    model: str = SHIPPED[0],
    problems: Annotated[
        int, typer.Option(min=0, help="problems recorded in closed loops, five per episode")
    ] = 100,
    episodes: Annotated[int, typer.Option(min=0, help="closed-loop episodes with each planner")] = 50,
    first_seed: Annotated[int, typer.Option(min=0)] = 10_000,
    log: Annotated[Path | None, typer.Option(help="file that keeps finished episodes")] = None,
    workers: Positive = 2,
) -> None:
    """Evaluations that iCEM needs for the final cost of plain CEM, and the success of both."""
    from wm_planner.bench.measurements.search import search_tables
    from wm_planner.evaluation.closed_loop.episode_log import EpisodeLog
    from wm_planner.launching import file as launch_file

    path = launch_file.find(launch)
    for rows in search_tables(path, model, problems, episodes, first_seed, EpisodeLog(log), workers):
        console.print(rows)


@app.command()
def physics(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(help="scenes with a planning file, sim/NAME.yaml, or paths of such files"),
    ] = None,
    episodes: Annotated[int, typer.Option(min=0, help="episodes per task; 0 skips success")] = 50,
    unmodified: Annotated[
        bool, typer.Option(help="also plan over the unmodified scene, which is slow")
    ] = True,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of every file, e.g. planner.horizon=10")
    ] = None,
    plans: Annotated[int, typer.Option(min=1, help="timed plans, and repeats of timed physics")] = 30,
    first_seed: Annotated[
        int, typer.Option(min=0, help="first seed; no setting was chosen on 10000 and up")
    ] = 10_000,
    log: Annotated[
        Path | None, typer.Option(help="file that keeps finished episodes, to resume from")
    ] = None,
    workers: Positive = 2,
) -> None:
    """Planning over MuJoCo: success, time next to the bare physics, and the gain of a cheaper model."""
    from wm_planner.bench.measurements.physics import physics_tables
    from wm_planner.evaluation.closed_loop.episode_log import EpisodeLog
    from wm_planner.evaluation.closed_loop.physics_task import PhysicsTask

    names = tasks or [Path(name).stem for name in share.listing("sim", ".yaml")]
    stems = [Path(name).stem for name in names]
    loaded = {
        stem if stems.count(stem) == 1 else name: PhysicsTask.load(name, changes or ())
        for stem, name in zip(stems, names, strict=True)
    }
    seeds = range(first_seed, first_seed + episodes)
    for rows in physics_tables(loaded, plans, seeds, unmodified, EpisodeLog(log), workers):
        console.print(rows)


@app.command()
def rollout(
    model: Models = SHIPPED,
    horizon: Positive = 8,
    candidates: Positive = 16,
    repeats: Positive = 10,
) -> None:
    """CPU time of each step of a rollout; it is constant, because no step recomputes earlier frames."""
    from wm_planner.bench.measurements.rollout import step_times_ms
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    times = table(
        f"ms CPU of step 1 to {horizon} of a rollout of {candidates} candidates (median of {repeats})",
        *("model", *(str(step) for step in range(1, horizon + 1))),
    )
    for name in model:
        took_ms = step_times_ms(OnnxWorldModel.load(name, device="cpu"), horizon, candidates, repeats)
        times.add_row(Path(name).name, *(f"{ms:.2f}" for ms in took_ms))
    console.print(times)


@app.command()
def calls(
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value of the launch file")] = None,
    launch: Annotated[str, typer.Option(help="launch file whose planner and costs are used")] = "panda_reach",
    model: Models = SHIPPED,
    repeats: Positive = 40,
) -> None:
    """CPU time of rollouts, costs and plans: step by step, in one call per rollout, as one graph per plan."""
    from wm_planner.bench.measurements.calls import call_rows
    from wm_planner.launching.file import planning

    planner, costs = planning(launch, overrides or ())
    rows = table(
        f"{launch}, median CPU of {repeats}: gain over step by step, difference from it, share of the peak "
        f"in matrix products; {', '.join(f'{key} {value}' for key, value in planner.items())}",
        *("model", "what", "CPU", "gain", "difference", "peak"),
    )
    for name in model:
        for row in call_rows(name, planner, costs, repeats):
            rows.add_row(
                Path(name).name,
                row.what,
                f"{row.cpu_ms:.2f} ms",
                f"{row.gain:.2f}",
                f"{row.difference:.0e}",
                f"{row.peak_share:.0%}",
            )
    console.print(rows)


@app.command()
def call_size(
    model: Models = SHIPPED,
    cards: Annotated[bool, typer.Option(help="write the best size on each model's card")] = False,
) -> None:
    """CPU per candidate by the number of candidates per model call, and the best number."""
    from wm_planner.world_models.onnx import call_size as c
    from wm_planner.world_models.onnx.card_file import write_card
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    rows = table(
        "us CPU per candidate and step, by candidates per call",
        *("model", *map(str, c.SIZES), "best"),
    )
    for name in model:
        loaded = OnnxWorldModel.load(name, device="cpu")
        times_us = c.call_times_us(loaded)
        best = c.best_size(times_us)
        measured = (f"{times_us[size]:.1f}" if size in times_us else "-" for size in c.SIZES)
        rows.add_row(Path(name).name, *measured, str(best))
        if cards:
            write_card(msgspec.structs.replace(loaded.card, max_candidates=best), share.find(name))
    console.print(rows)


@app.command()
def pose(samples: Positive = 800, repeats: Positive = 200) -> None:
    """CPU time of moving the poses of all candidates by their actions, as one model step does."""
    import numpy as np

    from wm_planner.control.pose import apply_action

    rng = np.random.default_rng(0)
    poses, actions = rng.uniform(-1, 1, (samples, 7)), rng.uniform(-0.1, 0.1, (samples, 7))
    took_ms = []
    for _ in range(repeats):
        start = time.process_time()
        apply_action(poses, actions)
        took_ms.append(1000 * (time.process_time() - start))
    console.print(f"{samples} poses moved: {np.median(took_ms):.2f} ms CPU (median of {repeats})")


@app.command()
def versions(
    checkout: Annotated[Path, typer.Argument(help="folder of another checkout, such as a git worktree")],
    repeats: Annotated[int, typer.Option(min=2, help="plans of each kind")] = 30,
) -> None:
    """The CPU of a plan in this checkout and in another one, alternated in one pair of processes."""
    from wm_planner.bench.measurements.versions import version_table

    console.print(version_table(checkout, repeats))
