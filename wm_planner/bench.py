"""`wm bench`: the commands behind every figure of the documentation."""

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from wm_planner.errors import ConfigError
from wm_planner.terminal import Bar, console, table

app = typer.Typer(
    no_args_is_help=True, help="Measure this installation; every figure of the docs comes from here."
)
Models = Annotated[list[str], typer.Option("--model", help="bundle; give several times")]
Positive = Annotated[int, typer.Option(min=1)]
NEARLY_TRUE = "physics.planning_model={timestep_s: 0.005}"  # of the scene itself it is 2 ms
SHIPPED = ["models/panda_reach", "models/panda_reach_small"]
TRAFFIC = ["models/drive_bev"]


@app.command()
def success(
    launch: Annotated[str, typer.Argument(help="launch file: its scene, planner and costs are used")],
    overrides: Annotated[list[str] | None, typer.Argument(help="its argument=value")] = None,
    model: Models = SHIPPED,
    episodes: Positive = 200,
    physics_episodes: Annotated[int, typer.Option(min=0, help="over true physics, which is slow")] = 50,
    steps: Positive = 30,
    disturbed: Annotated[
        int, typer.Option(min=0, help="episodes under moved cameras, half the light, distractors each")
    ] = 0,
    untrained: Annotated[str | None, typer.Option(help="bundle with an untrained encoder")] = None,
    baselines: Annotated[bool, typer.Option(help="also random, straight and over true physics")] = True,
    greedy: Annotated[bool, typer.Option(help="also each model with a horizon of one step")] = True,
    models: Annotated[bool, typer.Option(help="the models; off for the baselines alone")] = True,
    first_seed: Annotated[
        int, typer.Option(min=0, help="of the episodes; no setting was chosen on 10000 and up")
    ] = 10_000,
    near: Annotated[
        int | None,
        typer.Option(min=1, help="start so many random steps from the goal, not 15 cm and more"),
    ] = None,
    workers: Positive = 2,
    out: Annotated[Path | None, typer.Option(help="write the rows as JSON here")] = None,
    cards: Annotated[bool, typer.Option(help="write each model's rows on its card")] = False,
) -> None:
    """Success by distance at the end of the episode, on seeds that training never saw."""
    from wm_planner.evaluation import success as s
    from wm_planner.evaluation.physics_task import PhysicsTask
    from wm_planner.launching import file as launch_file
    from wm_planner.simulation.base import Disturbance

    path = launch_file.find(launch)
    nodes = {
        node.program.stem: node.params for node in launch_file.load(path, "bench", overrides or ()).nodes
    }
    scene, planner = nodes["simulator"]["scene"], nodes["planner"]
    seeds = range(first_seed, first_seed + episodes)
    rows: list[s.SuccessRow] = []

    def run(
        name: str, policy: Any, count: int = episodes, disturbance: Disturbance | None = None
    ) -> s.SuccessRow:
        row = s.success_row(name, scene, policy, seeds[:count], steps, disturbance, workers, near)
        rows.append(row)
        console.print(f"{name}: {row.near[0]} of {row.episodes} within 5 cm")
        return row

    if baselines:
        run("random actions", s.random_actions)
        run("straight line to the known goal", s.straight_line)
        if physics_episodes:
            over_physics = PhysicsTask.load(Path(scene).stem, [NEARLY_TRUE])
            run("planner over true physics, known goal", over_physics, min(physics_episodes, episodes))
    if untrained:
        run("untrained encoder, trained predictor", s.Bundle(untrained, planner["planner"], planner["costs"]))
    for name in model if models else ():
        bundle = s.Bundle(name, planner["planner"], planner["costs"])
        earned = [run(name, bundle)]
        if greedy:
            earned.append(run(f"{name}, greedy (horizon 1)", bundle.greedy()))
        for what, disturbance in _DISTURBANCES.items() if disturbed else ():
            earned.append(run(f"{name}, {what}", bundle, disturbed, Disturbance(**disturbance)))
        if cards:
            _write_results(name, earned)
    start = f"start {near} steps from the goal" if near else "start 15 cm and more from the goal"
    console.print(s.success_table(f"{path.stem}: {start}, {steps} steps, distance at the end", rows))
    if out:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


_DISTURBANCES: dict[str, dict[str, Any]] = {
    "cameras moved 2 cm, 2 degrees": {"camera_shift_m": 0.02, "camera_tilt_deg": 2.0},
    "half the light": {"light_scale": 0.5},
    "two distractors": {"distractors": 2},
}


def _write_results(model: str, earned: list[Any]) -> None:
    """Put the rows on the card, in place of the card's rows of the same scene and starts."""
    from wm_planner import share
    from wm_planner.world_models.card import read_card, write_card

    folder = share.find(model)
    card = read_card(folder)
    of = (earned[0].scene, earned[0].start_steps)
    kept = tuple(row for row in card.results if (row.get("scene"), row.get("start_steps")) != of)
    fresh = tuple(msgspec.to_builtins(row) for row in earned)
    write_card(msgspec.structs.replace(card, results=kept + fresh), folder)


@app.command()
def prediction(
    data: Annotated[list[str], typer.Option(help="held-out data set; give several times")],
    model: Models = SHIPPED,
    quantity: Annotated[str, typer.Option(help="state that is probed for")] = "tcp_position",
) -> None:
    """Prediction error against copy-last, a probe for a physical state, and the spread of the latent."""
    from wm_planner.data.episodes import EpisodeData
    from wm_planner.evaluation.prediction import measure
    from wm_planner.world_models.onnx import OnnxWorldModel

    models = [OnnxWorldModel.load(name, device="cpu") for name in model]
    for folder in data:
        opened = EpisodeData.open(folder)
        unit = next((spec.unit for spec in opened.meta.state if spec.name == quantity), "")
        errors = table(
            f"{folder}: error 1, 5, 10 steps ahead (copying the last latent is 1), 5 with shuffled actions; "
            f"linear probe of {quantity}, its worst number; effective rank and least std of the latent; "
            "share of its variance that never changes",
            *("model", "1", "5", "10", "shuffled", "probe R2", "RMS", "rank", "std", "static"),
        )
        for loaded in models:
            learned = [
                spec.name for spec in loaded.card.latents if spec.unit is None and spec.role != "cache"
            ]
            for array in learned:
                report = measure(loaded, opened, array, quantity)
                errors.add_row(
                    loaded.card.name + (f", {array}" if len(learned) > 1 else ""),
                    *(f"{report.relative_error[h]:.3f}" for h in (1, 5, 10)),
                    f"{report.shuffled_error[5]:.2f}",
                    f"{min(report.probe_r2):.3f}",
                    f"{report.probe_rms:.3g} {unit}",
                    f"{report.effective_rank:.1f}",
                    f"{report.std_min:.2f}",
                    f"{report.static_share:.0%}",
                )
        console.print(errors)


@app.command()
def surprise(
    scenarios: Annotated[Path, typer.Option(help="folder of held-out scenarios, see wm scenarios")],
    model: Models = TRAFFIC,
    seed: Annotated[int, typer.Option(min=0, help="of the places where agents appear")] = 0,
) -> None:
    """Whether surprise tells that an agent appeared or braked hard, of the same step without it."""
    from wm_planner.evaluation.driving.unexpected import APPEARS, BRAKES, Discrimination, moments
    from wm_planner.world_models.onnx import OnnxWorldModel

    told = table(
        f"{scenarios}: surprise of a step with an event beside the same step without; chance that the first "
        "is larger, of any two (AUC) and within pairs; ratio of medians",
        *("model", "event", "pairs", "AUC", "paired", "ratio"),
    )
    files = _scenario_files(scenarios)
    for name in model:
        loaded = OnnxWorldModel.load(name, device="cpu")
        pairs = list(moments(loaded, files, seed))
        for event in (APPEARS, BRAKES):
            found = Discrimination.of([pair for pair in pairs if pair.event == event])
            told.add_row(
                loaded.card.name,
                event,
                str(found.pairs),
                f"{found.auc:.3f}",
                f"{found.paired:.0%}",
                f"{found.ratio:.2f}",
            )
    console.print(told)


def _scenario_files(folder: Path) -> list[Path]:
    """The scenarios in a folder, in order.

    Raises:
        ConfigError: if there is none.
    """
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise ConfigError(f"{folder}: no scenario is there, wanted *.xml; `wm scenarios` makes some")
    return files


@app.command("traffic-model")
def traffic_model(
    scenarios: Annotated[Path, typer.Option(help="folder of held-out scenarios, see wm scenarios")],
    model: str = TRAFFIC[0],
    driver: Annotated[str, typer.Option(help="that takes costs of a model")] = "cem",
    goal_weight: Annotated[float, typer.Option(help="of the distance to the goal's picture")] = 0.1,
    surprise_weight: Annotated[float, typer.Option(help="of how unlike training drives are")] = 0.1,
    variant: Annotated[list[str] | None, typer.Option(help="goal, surprise, both; all by default")] = None,
    count: Annotated[int, typer.Option(min=1, help="scenarios, from the first")] = 24,
    seconds: Annotated[float, typer.Option(min=4.0, help="a drive ends then")] = 15.0,
    workers: Positive = 2,
    log: Annotated[Path | None, typer.Option(help="keep finished drives here, and go on from them")] = None,
) -> None:
    """What a learned model of traffic brings to a driver among others who react, in pairs of drives."""
    from wm_planner.evaluation.driving import ablation
    from wm_planner.evaluation.driving.drive_log import DriveLog

    made = ablation.variants(driver, model, goal_weight, surprise_weight)
    unknown = sorted(set(variant or ()) - set(made))
    if unknown:
        raise ConfigError(f"variant is {unknown[0]}, wanted one of {', '.join(made)}")
    chosen = {name: spec for name, spec in made.items() if not variant or name in (ablation.PLAIN, *variant)}
    files = _scenario_files(scenarios)[:count]
    scores: list[Any] = []
    with Bar("drives") as bar:
        driven = ablation.drives(chosen, files, seconds, workers, DriveLog(log))
        for number, done in enumerate(driven, start=1):
            scores.extend(done)
            bar.move(number, len(files) * len(chosen))
    title = f"{scenarios}, {len(files)} scenarios, {seconds:g} s, {driver}"
    console.print(ablation.gains_table(title, scores))


@app.command()
def energy(
    data: Annotated[Path, typer.Option(help="held-out data set")],
    model: Models = SHIPPED,
    states: Positive = 50,
    cells: Annotated[int, typer.Option(min=3, help="along each axis")] = 11,
    axes: Annotated[list[str] | None, typer.Option(help="dx,dy; several times")] = None,
) -> None:
    """In how many states the cost has its minimum within one cell of the recorded action."""
    from wm_planner.data.episodes import EpisodeData
    from wm_planner.evaluation import energy as e
    from wm_planner.world_models.onnx import OnnxWorldModel

    opened = EpisodeData.open(data)
    shares = table(
        f"{data}: states whose {cells} x {cells} grid of actions has its minimum within one cell of the true "
        f"one, 95 % Wilson intervals (of guesses {9 / cells**2:.1%} at most)",
        *("model", "plane", "states", "share"),
    )
    for name in model:
        loaded = OnnxWorldModel.load(name, device="cpu")
        for plane, near in e.near_minima(loaded, opened, states, cells, axes or ()).items():
            shares.add_row(loaded.card.name, " x ".join(plane), str(near), f"{near.share:.0%}")
        unsure = e.warning(loaded.card)
        if unsure:
            console.print(unsure)
    console.print(shares)


@app.command()
def rollout(
    model: Models = SHIPPED,
    horizon: Positive = 8,
    candidates: Positive = 16,
    repeats: Positive = 10,
) -> None:
    """CPU of each step of a rollout: flat, for no step computes the frames before it again."""
    from wm_planner.evaluation.rollout_benchmark import step_times_ms
    from wm_planner.world_models.onnx import OnnxWorldModel

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
    overrides: Annotated[list[str] | None, typer.Argument(help="the launch file's argument=value")] = None,
    launch: Annotated[
        str, typer.Option(help="launch file whose planner and costs are taken")
    ] = "panda_reach",
    model: Models = SHIPPED,
    repeats: Positive = 40,
) -> None:
    """CPU of rollouts and plans: step by step, in one call a rollout, and as one graph of the whole plan."""
    from wm_planner.evaluation.call_benchmark import call_rows
    from wm_planner.launching.file import planning

    planner, costs = planning(launch, overrides or ())
    rows = table(
        f"{launch}, median CPU of {repeats}: gain over step by step, difference from it, share of the peak "
        f"in products; {', '.join(f'{key} {value}' for key, value in planner.items())}",
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
def render(scene: str = "sim/panda_reach_wall.py", frames: Positive = 2000) -> None:
    """Camera pictures a second, on one core."""
    from wm_planner.simulation.base import load_scene
    from wm_planner.simulation.mujoco import MujocoSimulator

    simulator = MujocoSimulator(load_scene(scene))
    simulator.reset(0)
    cameras = simulator.scene.cameras
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(frames // len(cameras)):
        simulator.observe()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    height, width = simulator.scene.image_size
    console.print(
        f"{scene}, {height}x{width}: {frames / wall:.0f} pictures a second, "
        f"{1000 * cpu / frames:.2f} ms CPU each"
    )
    simulator.close()


@app.command()
def pose(samples: Positive = 800, repeats: Positive = 200) -> None:
    """CPU that moving the poses of all candidates by their actions costs, as a step of a model does."""
    from wm_planner.control.pose import moved

    rng = np.random.default_rng(0)
    poses, actions = rng.uniform(-1, 1, (samples, 7)), rng.uniform(-0.1, 0.1, (samples, 7))
    took_ms = []
    for _ in range(repeats):
        start = time.process_time()
        moved(poses, actions)
        took_ms.append(1000 * (time.process_time() - start))
    console.print(f"{samples} poses moved: {np.median(took_ms):.2f} ms CPU (median of {repeats})")


@app.command()
def bus() -> None:
    """CPU a 196 KB picture costs between two processes, beside bare ZeroMQ in the same run."""
    from wm_planner.evaluation.bus_benchmark import bus_benchmark, bus_table

    console.print(bus_table(bus_benchmark()))


@app.command()
def planners(
    seeds: Positive = 11,
    processes: Positive = 100,
    plans: Annotated[int, typer.Option(min=1, help="timed plans a row")] = 200,
    deadline_rounds: Annotated[int, typer.Option(min=0, help="of 500 plans of 50 ms; 0 leaves them out")] = 3,
    peers: Annotated[
        bool,
        typer.Option("--peers", help="only beside other libraries, installed in ~/.cache/wm_planner/peers"),
    ] = False,
) -> None:
    """Planners on problems of known answers, their own speed, and how they keep a deadline."""
    from wm_planner.evaluation.peer_benchmark import peer_table
    from wm_planner.evaluation.planner_benchmark import planner_tables

    tables = [peer_table()] if peers else planner_tables(seeds, processes, plans, deadline_rounds)
    for rows in tables:
        console.print(rows)


@app.command()
def physics(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="scenes on the shelf with a plan, sim/NAME.yaml, or such files")
    ] = None,
    episodes: Annotated[int, typer.Option(min=0, help="a task; 0 leaves success out")] = 50,
    unmodified: Annotated[
        bool, typer.Option(help="also planned over the scene as it is, which is slow")
    ] = True,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of every file, e.g. planner.horizon=10")
    ] = None,
    plans: Annotated[int, typer.Option(min=1, help="timed plans, and repeats of timed physics")] = 30,
    first_seed: Annotated[
        int, typer.Option(min=0, help="of the episodes; no setting was chosen on 10000 and up")
    ] = 10_000,
    log: Annotated[Path | None, typer.Option(help="keep finished episodes here, and go on from them")] = None,
    workers: Positive = 2,
) -> None:
    """Planning over MuJoCo itself: success, time beside the bare physics, and what a lighter model brings."""
    from wm_planner import share
    from wm_planner.evaluation.episode_log import EpisodeLog
    from wm_planner.evaluation.physics_benchmark import physics_tables
    from wm_planner.evaluation.physics_task import PhysicsTask

    names = tasks or [Path(name).stem for name in share.listing("sim", ".yaml")]
    loaded = {Path(name).stem: PhysicsTask.load(name, changes or ()) for name in names}
    seeds = range(first_seed, first_seed + episodes)
    for rows in physics_tables(loaded, plans, seeds, unmodified, EpisodeLog(log), workers):
        console.print(rows)


@app.command()
def search(
    launch: Annotated[str, typer.Argument(help="launch file: scene, horizon and costs")] = "panda_reach_wall",
    model: str = SHIPPED[0],
    problems: Annotated[int, typer.Option(min=0, help="recorded in closed loops, five an episode")] = 100,
    episodes: Annotated[int, typer.Option(min=0, help="in a closed loop with each planner")] = 50,
    first_seed: Annotated[int, typer.Option(min=0)] = 10_000,
    log: Annotated[Path | None, typer.Option(help="keep finished episodes here")] = None,
    workers: Positive = 2,
) -> None:
    """Evaluations that a frugal planner needs for the final cost of plain CEM, and the success of both."""
    from wm_planner.evaluation.episode_log import EpisodeLog
    from wm_planner.evaluation.search_benchmark import search_tables
    from wm_planner.launching import file as launch_file

    path = launch_file.find(launch)
    for rows in search_tables(path, model, problems, episodes, first_seed, EpisodeLog(log), workers):
        console.print(rows)


@app.command()
def driving(
    candidates: Annotated[int, typer.Option(min=15, help="trajectories of 40 steps")] = 512,
    repeats: Positive = 30,
    scenario: Annotated[list[str] | None, typer.Option(help="file to simulate, again and again")] = None,
) -> None:
    """Driving in CPU time: its arithmetic by numba, NumPy and shapely if it is there, and closed loops."""
    from wm_planner.driving.readers import read_scenario
    from wm_planner.evaluation.driving_benchmark import driving_rows, driving_table
    from wm_planner.evaluation.driving_loop_benchmark import DRIVES, loops, loops_table, rollouts_text
    from wm_planner.share import find

    console.print(driving_table(driving_rows(candidates, repeats)))
    scenarios = scenario or DRIVES
    console.print(loops_table(loops(scenarios)))
    console.print(rollouts_text(read_scenario(find(scenarios[0]))))


@app.command()
def commonroad(
    results: Annotated[Path, typer.Argument(help="--out of `wm eval driving`, with --solutions")],
    reactive: Annotated[bool, typer.Option(help="also its reactive planner on the same scenarios")] = True,
    limit: Annotated[float, typer.Option(min=1.0, help="seconds of wall time a drive of it")] = 25.0,
) -> None:
    """Solution files beside CommonRoad's own checker and costs, and its planner on the same scenarios."""
    from wm_planner.evaluation.driving import commonroad_tools as c
    from wm_planner.evaluation.driving.results import DRIVES_FILE, read_drives
    from wm_planner.terminal import Bar

    solved = [each for each in read_drives(results / DRIVES_FILE) if each.solution]
    if not solved:
        raise ConfigError(f"{results} names no solution files: run `wm eval driving` with --solutions")
    files = list(dict.fromkeys(each.file for each in solved))
    opinions, rivals = [], []
    with c.Tools(c.ready()) as tools, Bar("solutions and drives") as bar:
        total = len({each.solution for each in solved}) + reactive * len(files)
        bar.move(0, total)
        for opinion in c.opinions(solved, tools):
            opinions.append(opinion)
            bar.move(len(opinions), total)
        for rival in c.rivals(files, tools, limit) if reactive else ():
            rivals.append(rival)
            bar.move(len(opinions) + len(rivals), total)
            bar.say(rival.scenario, f"{rival.scenario}: {c.COMMONROAD.package} ended with {rival.ended}")
    console.print(c.opinions_table(opinions))
    for line in c.disagreements(opinions):
        console.print(f"  {line}", soft_wrap=True)
    if rivals:
        console.print(c.rivals_table(rivals))


@app.command()
def device(
    size: Annotated[str, typer.Option(help="of V-JEPA 2-AC's encoder")] = "giant",
    on: Annotated[str, typer.Option(help="cuda or cpu")] = "cuda",
    reference: Annotated[Path | None, typer.Option(help="checkout of facebookresearch/vjepa2")] = None,
    samples: Positive = 800,
    repeats: Positive = 3,
) -> None:
    """Seconds an action of V-JEPA 2-AC with torch on a device, beside the published loop in the same run."""
    from wm_planner.evaluation.device_benchmark import device_benchmark

    rows = table(
        f"V-JEPA 2-AC {size} on {on}, one step ahead, random weights (median of {repeats})",
        *("planner", "evaluations", "s an action", "energy"),
    )
    for row in device_benchmark(size, on, reference, samples, repeats):
        rows.add_row(row.what, str(row.evaluations), f"{row.seconds:.3f}", f"{row.energy:.7f}")
    console.print(rows)


@app.command()
def loop(
    launch: str = "panda_reach",
    model: Models = SHIPPED,
    episodes: Positive = 20,
    core: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Decisions a second of the whole loop in lockstep, all processes on one core."""
    from wm_planner.evaluation.loop_benchmark import measure_loop

    allowed = os.sched_getaffinity(0)
    if core not in allowed:
        raise ConfigError(f"--core is {core}, this process may run on {sorted(allowed)}")
    os.sched_setaffinity(0, {core})
    rates = table(
        f"{launch} in lockstep: render, encode, plan, control, all on core {core}",
        *("model", "decisions", "a second", "CPU of each node"),
    )
    for name in model:
        with tempfile.TemporaryDirectory() as folder:
            result = measure_loop(launch, name, episodes, Path(folder))
        shares = "  ".join(f"{node} {share:.0%}" for node, share in result.cpu_share.items())
        rates.add_row(Path(name).name, str(result.decisions), f"{result.rate_hz:.1f}", shares)
    os.sched_setaffinity(0, allowed)
    console.print(rates)
