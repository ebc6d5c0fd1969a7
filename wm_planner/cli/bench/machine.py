"""Benchmarks of this machine: rendering, messages, the whole loop, an accelerator."""

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from wm_planner.cli.bench.base import (
    SHIPPED,
    Models,
    Positive,
    app,
)
from wm_planner.errors import ConfigError
from wm_planner.terminal import console, table


@app.command()
def render(scene: str = "sim/panda_reach_wall.py", frames: Positive = 2000) -> None:
    """Camera pictures per second on one core."""
    from wm_planner.simulation.mujoco import MujocoSimulator
    from wm_planner.simulation.scene import load_scene

    simulator = MujocoSimulator(load_scene(scene))
    simulator.reset(0)
    cameras = simulator.scene.cameras
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(frames // len(cameras)):
        simulator.observe()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    height, width = simulator.scene.image_size
    console.print(
        f"{scene}, {height}x{width}: {frames / wall:.0f} pictures per second, "
        f"{1000 * cpu / frames:.2f} ms CPU each"
    )
    simulator.close()


@app.command()
def gym(
    environment: Annotated[
        list[str] | None, typer.Option("--env", help="id of an environment; repeatable")
    ] = None,
    steps: Positive = 2000,
) -> None:
    """CPU time that the simulator of Gymnasium environments adds to their own, per step."""
    from wm_planner.bench.measurements.environments import (
        ENVIRONMENTS,
        environment_row,
        environment_table,
    )

    console.print(environment_table([environment_row(name, steps) for name in environment or ENVIRONMENTS]))


@app.command()
def sprites(size: Annotated[int, typer.Option(min=8, help="pixels per side")] = 32) -> None:
    """Pictures, collected frames and simulator steps of SpriteYard per CPU second."""
    from wm_planner.bench.measurements.sprites import sprite_row, sprite_table

    rows = [sprite_row(level, size) for level in ("point", "glide")]
    console.print(sprite_table(rows, size))


@app.command()
def bus() -> None:
    """CPU time of a 196 KB picture between two processes, next to bare ZeroMQ in the same run."""
    from wm_planner.bench.measurements.bus import bus_benchmark, bus_table

    console.print(bus_table(bus_benchmark()))


@app.command()
def loop(
    launch: Annotated[str, typer.Argument(help="launch file")] = "panda_reach",
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value of the launch file")] = None,
    model: Models = SHIPPED,
    episodes: Positive = 20,
    core: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Decisions per second of the whole loop in lockstep, all processes on one core."""
    from wm_planner.bench.measurements.loop import measure_loop

    allowed = os.sched_getaffinity(0)
    if core not in allowed:
        raise ConfigError(f"--core is {core}, this process may run on {sorted(allowed)}")
    os.sched_setaffinity(0, {core})
    rates = table(
        f"{launch} in lockstep: render, encode, plan, control, all on core {core}",
        *("model", "decisions", "per second", "CPU of each node"),
    )
    for name in model:
        with tempfile.TemporaryDirectory() as folder:
            result = measure_loop(launch, name, episodes, Path(folder), overrides or ())
        shares = "  ".join(f"{node} {share:.0%}" for node, share in result.cpu_share.items())
        rates.add_row(Path(name).name, str(result.decisions), f"{result.rate_hz:.1f}", shares)
    os.sched_setaffinity(0, allowed)
    console.print(rates)


@app.command()
def device(
    size: Annotated[str, typer.Option(help="size of V-JEPA 2-AC's encoder")] = "giant",
    on: Annotated[str, typer.Option(help="cuda or cpu")] = "cuda",
    reference: Annotated[Path | None, typer.Option(help="checkout of facebookresearch/vjepa2")] = None,
    samples: Positive = 800,
    repeats: Positive = 3,
) -> None:
    """Seconds per action of V-JEPA 2-AC with torch, next to the published loop in the same run."""
    from wm_planner.bench.measurements.device import device_benchmark

    rows = table(
        f"V-JEPA 2-AC {size} on {on}, one step ahead, random weights (median of {repeats})",
        *("planner", "evaluations", "s per action", "energy"),
    )
    for row in device_benchmark(size, on, reference, samples, repeats):
        rows.add_row(row.what, str(row.evaluations), f"{row.seconds:.3f}", f"{row.energy:.7f}")
    console.print(rows)
