"""Benchmarks of this machine: rendering, messages, the whole loop, an accelerator."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wm_planner.cli.bench.base import (
    SHIPPED,
    Models,
    Positive,
    app,
    scene_and_planner,
)
from wm_planner.errors import ConfigError, did_you_mean
from wm_planner.terminal import console, table

if TYPE_CHECKING:
    from wm_planner.bench.measurements.process_loop import ProcessLoopResult


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
def stops(
    launch: Annotated[str, typer.Argument(help="launch file of a drive")] = "drive_merge",
    nodes: Annotated[list[str] | None, typer.Option("--node", help="to suspend; repeatable")] = None,
) -> None:
    """How soon and where a car stops when its planner or its controller is suspended, in realtime."""
    from wm_planner.bench.measurements.stops import stop_row, stop_table

    rows = []
    for node in nodes or ("planner", "controller"):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(stop_row(node, launch, Path(folder)))
    console.print(stop_table(rows, launch))


@app.command()
def hangs(
    launch: Annotated[str, typer.Argument(help="launch file with clock, episodes and steps")] = "panda_reach",
    runs: Annotated[int, typer.Option(min=0, help="ordinary runs, by turns in realtime and lockstep")] = 20,
    times: Annotated[int, typer.Option(min=1, help="suspensions of each node")] = 10,
    load: Annotated[int, typer.Option(min=0, help="processes that compute meanwhile")] = 15,
) -> None:
    """How soon suspended nodes are noticed, and how many ordinary runs raise an alarm, on a busy machine."""
    from wm_planner.bench.measurements import hangs as measured
    from wm_planner.bench.measurements.busy import busy
    from wm_planner.launching import file as launch_file

    nodes = [node.name for node in launch_file.load(launch_file.find(launch), "hangs").nodes]
    alarms = []
    with busy(load):
        for number in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                clock = "lockstep" if number % 2 else "realtime"
                alarms.append(measured.false_alarms(launch, clock, Path(folder)))
                console.print(f"run {number + 1} in {clock}: {'; '.join(alarms[-1]) or 'no alarm'}")
        with tempfile.TemporaryDirectory() as folder:
            rows = measured.hang_rows(launch, nodes, times, Path(folder))
    averages = " ".join(f"{average:.0f}" for average in os.getloadavg())
    title = f"{launch}, {load} busy processes, {os.cpu_count()} cores, load {averages}"
    console.print(measured.hang_table(rows, alarms, title))


@app.command()
def motion(
    robot: Annotated[str, typer.Option(help="MJCF file of an arm, or name of a vehicle")] = (
        "sim/panda_reach.xml"
    ),
    plans: Positive = 10_000,
) -> None:
    """What an arm or a car keeps of its limits when its controller gets random and broken plans."""
    from wm_planner.driving.vehicle.vehicle import VEHICLES

    if robot in VEHICLES:
        from wm_planner.bench.measurements.car_motion import car_motion_row, car_motion_table

        console.print(car_motion_table(car_motion_row(robot, plans), robot))
        return
    from wm_planner.bench.measurements.motion import motion_row, motion_table

    console.print(motion_table(motion_row(robot, plans), robot))


@app.command()
def period(
    launch: Annotated[str, typer.Argument(help="launch file")] = "panda_reach",
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value of the launch file")] = None,
    rate_hz: Annotated[float, typer.Option(min=1, help="of its controller's set-points")] = 100.0,
) -> None:
    """Time between two commands of a controller in realtime: median, 99th percentile, longest."""
    from wm_planner.bench.measurements.period import period_rows, period_table

    with tempfile.TemporaryDirectory() as folder:
        rows = period_rows(launch, overrides or (), Path(folder))
    console.print(period_table(rows, launch, rate_hz))


@app.command()
def fuzz_controller(
    robot: Annotated[str, typer.Argument(help="MJCF file of an arm, or name of a vehicle")] = (
        "sim/panda_reach.xml"
    ),
    messages: Positive = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Broken plans, states and bytes into a controller node: what it refuses, what its set-points keep.

    It fails if a set-point was beyond a limit, or the node raised an error that it does not foresee.
    """
    from wm_planner.bench.measurements.controller_fuzz import fuzz, fuzz_tables

    row = fuzz(robot, messages, seed)
    for each in fuzz_tables(row, robot):
        console.print(each)
    for line in row.beyond[:10]:
        console.print(line, style="red", markup=False)
    if row.beyond or row.unforeseen:
        raise typer.Exit(1)


@app.command()
def bus(
    transports: Annotated[
        list[str] | None, typer.Option("--transport", help="bus, bare pyzmq, iceoryx2, rclpy; repeatable")
    ] = None,
    size: Annotated[int, typer.Option(min=8, help="pixels per side; 256 is 196 KB")] = 256,
    rounds: Positive = 3,
) -> None:
    """CPU time and latency of a picture between processes: bus, bare pyzmq, iceoryx2 and rclpy in turn."""
    from wm_planner.bench.measurements.bus import TRANSPORTS, bus_rows, bus_table

    chosen = transports or list(TRANSPORTS)
    for name in chosen:
        if name not in TRANSPORTS:
            raise ConfigError(f"--transport is '{name}', {did_you_mean(name, TRANSPORTS)}")
    console.print(bus_table(bus_rows(chosen, size, rounds=rounds), size))


@app.command()
def repeats(
    launch: Annotated[str, typer.Argument(help="launch file")] = "panda_reach",
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value of the launch file")] = None,
    runs: Annotated[int, typer.Option(min=2)] = 20,
    burners: Annotated[int, typer.Option(min=0, help="processes that compute meanwhile")] = 2,
) -> None:
    """Whether runs in lockstep publish the same bytes on every topic, under load; fails if they do not."""
    from wm_planner.bench.measurements.repeats import repeat_table, run_repeatedly

    folder = Path(tempfile.mkdtemp())
    rows = run_repeatedly(launch, overrides or (), runs, burners, folder)
    console.print(repeat_table(rows, launch, runs, burners))
    if any(row.equal < runs for row in rows):
        console.print(f"recordings and logs: {folder}", markup=False)
        raise typer.Exit(1)
    shutil.rmtree(folder)


@app.command()
def codec() -> None:
    """CPU time to write and read messages as CDR, next to the type store alone."""
    from wm_planner.bench.measurements.codec import codec_benchmark, codec_table

    console.print(codec_table(codec_benchmark()))


@app.command()
def loop(
    launch: Annotated[str, typer.Argument(help="launch file")] = "panda_reach",
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value of the launch file")] = None,
    model: Models = SHIPPED,
    episodes: Positive = 20,
    repeats: Annotated[int, typer.Option(min=1, help="turns, of which medians are printed")] = 1,
    core: Annotated[int, typer.Option(min=0)] = 0,
    in_process: Annotated[bool, typer.Option("--in-process", help="only the loop without nodes")] = False,
) -> None:
    """Decisions per second of the whole loop in lockstep on one core.

    With a process for each node, with all nodes in one, and for an arm without nodes.
    """
    from wm_planner.bench.measurements.loop_rates import loop_rates, parts_of

    allowed = os.sched_getaffinity(0)
    if core not in allowed:
        raise ConfigError(f"--core is {core}, this process may run on {sorted(allowed)}")
    os.sched_setaffinity(0, {core})
    given = overrides or ()
    title = f"{launch} in lockstep, with a recorder, all on core {core}"
    columns = ("nodes", "per second", "per CPU second", "ratio", "CPU", "")
    rates = table(title, "model", *columns)
    for name in model:
        bare = _without_nodes(launch, given, name, episodes, is_needed=in_process)
        if in_process and bare is not None:
            result = bare()
            rates.add_row(
                Path(name).name, "no nodes", "", f"{result.per_cpu_s:.1f}", "", *_cells(parts_of(result))
            )
            continue
        for row in loop_rates(launch, given, name, episodes, repeats, bare):
            wall = "" if row.rate_hz is None else f"{row.rate_hz:.1f}"
            figures = (wall, f"{row.per_cpu_s:.1f}", f"{row.of_first:.2f}")
            rates.add_row(Path(name).name, row.nodes, *figures, *_cells(row.cpu))
    os.sched_setaffinity(0, allowed)
    console.print(rates)


@app.command()
def start(
    launch: Annotated[str, typer.Argument(help="launch file")] = "panda_reach",
    model: Annotated[str, typer.Option(help="bundle")] = "models/bundles/panda_reach_small",
    repeats: Positive = 5,
) -> None:
    """How long each node takes until it is active, and `wm --help`: CPU and wall time."""
    from wm_planner.bench.measurements.start import measure_starts, start_table

    with tempfile.TemporaryDirectory() as folder:
        starts = measure_starts(launch, model, repeats, Path(folder))
    title = f"Starts of {launch} with {Path(model).name} (medians of {repeats})"
    console.print(start_table(starts, title))


def _without_nodes(
    launch: str, overrides: Sequence[str], model: str, episodes: int, is_needed: bool
) -> "Callable[[], ProcessLoopResult] | None":
    """What measures the loop without nodes; None if only nodes can run it and it is not asked for alone."""
    from wm_planner.bench.measurements.process_loop import measure_process_loop
    from wm_planner.evaluation.closed_loop.success import Bundle

    try:
        scene, planner = scene_and_planner(launch, overrides, model)
    except ConfigError:
        if is_needed:
            raise
        return None
    bundle = Bundle(model, planner["planner"], planner["costs"], planner.get("mpc", {}))
    return lambda: measure_process_loop(scene, bundle, episodes)


def _cells(values: Mapping[str, str]) -> tuple[str, str]:
    """Names and values, one per line."""
    return "\n".join(values), "\n".join(values.values())


@app.command()
def device(
    size: Annotated[str, typer.Option(help="size of V-JEPA 2-AC's encoder")] = "giant",
    on: Annotated[str, typer.Option(help="cuda or cpu")] = "cuda",
    reference: Annotated[Path | None, typer.Option(help="checkout of facebookresearch/vjepa2")] = None,
    samples: Positive = 800,
    repeats: Positive = 3,
    fp32: Annotated[bool, typer.Option(help="matrix products in float32 instead of bfloat16")] = False,
) -> None:
    """Seconds per action of V-JEPA 2-AC with torch, next to the published loop in the same run."""
    from wm_planner.bench.measurements.device import device_benchmark
    from wm_planner.training.torch_model import Precision

    precision: Precision = "fp32" if fp32 else "bf16"
    rows = table(
        f"V-JEPA 2-AC {size} on {on}, {precision}, one step ahead, random weights (median of {repeats})",
        *("planner", "evaluations", "s per action", "share of peak", "energy"),
    )
    for row in device_benchmark(size, on, reference, samples, repeats, precision):
        rows.add_row(
            row.what,
            str(row.evaluations),
            f"{row.seconds:.3f}",
            "-" if row.peak_share is None else f"{row.peak_share:.0%}",
            f"{row.energy:.7f}",
        )
    console.print(rows)
