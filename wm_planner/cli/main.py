"""The command line: `wm`."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from wm_planner.allocator import keep_freed_memory
from wm_planner.cli import bench, evaluate
from wm_planner.config import put, setting
from wm_planner.errors import ConfigError, NodeError, WmError, missing_package
from wm_planner.terminal import INTERRUPTED, Bar, console

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(bench.app, name="bench")
app.add_typer(evaluate.app, name="eval")


def main() -> None:
    """Run `wm`; what a user can mend ends in one line and exit code 2."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores cost more than they bring
    keep_freed_memory()
    try:
        app()
    except WmError as error:
        problem = str(error)
    except ModuleNotFoundError as error:
        problem = missing_package(error)
    except OSError as error:  # a full disk, a folder that may not be written
        problem = f"{error.filename or 'the output'}: {error.strerror or error}"
    except MemoryError as error:
        problem = f"not enough memory ({error}): ask for fewer samples, steps or workers"
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    else:
        return
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(2)


@app.command()
def launch(
    file: Annotated[str, typer.Argument(help="a name on the launch shelf, or a path")],
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value")] = None,
    name: Annotated[str | None, typer.Option(help="of the run; its folder is runs/NAME")] = None,
) -> None:
    """Start the nodes of a launch file, follow the run, report."""
    from wm_planner.bridges import simulators
    from wm_planner.evaluation.runs.live import NEWS, Live
    from wm_planner.launching import file as launch_file
    from wm_planner.launching.run import new_name, prepare
    from wm_planner.launching.supervisor import Supervisor

    path = launch_file.find(file)
    name = name or new_name(path.stem)
    spec = launch_file.load(path, name, overrides or ())
    simulated = next((n.params for n in spec.nodes if n.program.stem == "simulator"), {})
    notes = simulators.notes(simulated["scene"]) if "scene" in simulated else ()
    folder = prepare(Path("runs") / name, spec)
    episodes = simulated.get("episodes")
    console.print(f"{path.stem} in {spec.clock}, {len(spec.nodes)} nodes, into {folder}")
    for note in notes:
        console.print(f"note {simulated['scene']}: {note}", soft_wrap=True, markup=False)
    failure: NodeError | None = None
    status: str
    with Live(name, episodes, console, lossless=spec.clock == "lockstep") as live:
        supervisor = Supervisor(spec, folder, domain=name, on_event=live.event)
        try:
            status, reason = supervisor.run(live.step)
        except NodeError as error:
            failure, status, reason = error, "failed", str(error)
    happened = [event._asdict() for event in supervisor.events if event.kind in NEWS]
    run = {
        "launch": path.stem,
        "overrides": overrides or [],
        "status": status,
        "reason": reason,
        "notes": list(notes),
    }
    _report(folder, live.statistics.figures(), run | {"events": happened})
    if failure is not None:
        raise failure
    if status == "interrupted":
        console.print(f"interrupted: {reason}")
        sys.exit(INTERRUPTED)


def _report(folder: Path, figures: Any, run: dict[str, Any]) -> None:
    from wm_planner.evaluation.runs import report, video
    from wm_planner.launching.run import RECORDING

    console.print(report.tables(figures))
    report.write_summary(folder, figures, run)
    made = [folder / report.SUMMARY_FILE]
    if figures.has_distance:
        made.append(report.plot(folder, figures, folder.name))
    recording = folder / RECORDING
    if recording.is_file():
        film = video.write_video(recording, folder)
        made += [film, recording] if film else [recording]
    for path in made:
        console.print(f"  {path}  {path.stat().st_size / 1e3:.0f} KB", soft_wrap=True)


@app.command()
def energy(
    model: Annotated[str, typer.Argument(help="bundle")],
    data: Annotated[Path, typer.Option(help="data set folder, or .npz with observations and states")],
    out: Annotated[Path, typer.Option(help="folder for energy.png and energy.json")],
    episode: Annotated[int, typer.Option(min=0)] = 0,
    step: Annotated[int, typer.Option(min=0, help="the first of the two frames")] = 0,
    axes: Annotated[
        list[str] | None, typer.Option(help="dx,dy; several times; the first three in pairs")
    ] = None,
    cells: Annotated[int, typer.Option(min=3, help="along each axis")] = 11,
    metric: Annotated[str, typer.Option(help="of the cost: l1 or l2")] = "l1",
) -> None:
    """Draw the cost over the actions around the one that was recorded between two frames."""
    from wm_planner.config import convert
    from wm_planner.costs.distance import DistanceConfig
    from wm_planner.evaluation.model_quality import energy as e
    from wm_planner.evaluation.model_quality.pairs import recorded_pair
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    chosen = convert({"metric": metric}, DistanceConfig, "energy").metric
    loaded = OnnxWorldModel.load(model)
    pair = recorded_pair(data, loaded.card, episode, step)
    drawn = e.landscapes(loaded, pair, e.planes(loaded.card.action, axes or ()), cells, chosen)
    out.mkdir(parents=True, exist_ok=True)
    unsure = e.warning(loaded.card)
    title = f"{loaded.card.name}: {pair.source}" + (f"\n{unsure}" if unsure else "")
    console.print(e.landscape_table(title, drawn))
    for path in (e.plot(out, title, drawn), e.write_figures(out, loaded.card.name, pair.source, drawn)):
        console.print(f"  {path}  {path.stat().st_size / 1e3:.0f} KB", soft_wrap=True)


@app.command()
def collect(
    scene: Annotated[
        str, typer.Argument(help="path of a scene file, of a traffic scenario, or of a folder of scenarios")
    ],
    out: Annotated[Path, typer.Option(help="folder of the data set, must not exist")],
    episodes: Annotated[int, typer.Option(min=1)] = 400,
    steps: Annotated[int, typer.Option(min=1, help="transitions an episode")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="of the first episode")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="processes")] = 2,
) -> None:
    """Record wandering motion in a scene, or driving in traffic, as a data set."""
    from wm_planner import collection

    config = collection.CollectConfig(scene=scene, episodes=episodes, steps=steps, seed=seed, workers=workers)
    with Bar("episodes") as bar:
        meta = collection.collect(config, out, lambda kept: bar.move(kept, episodes))
    console.print(f"{out}: {meta.episodes} episodes of {meta.steps} steps, left out: {meta.rejected}")


@app.command()
def scenarios(
    out: Annotated[Path, typer.Argument(help="folder of the scenarios, must not exist")],
    count: Annotated[int, typer.Option(min=1)] = 300,
    seed: Annotated[
        int | None, typer.Option(min=0, help="of the first; 1000000 to train on, from 0 up to evaluate")
    ] = None,
) -> None:
    """Write traffic scenarios drawn at random, as CommonRoad XML."""
    from wm_planner.contracts.dataset import COLLECTION_SEEDS
    from wm_planner.driving.generation.random_traffic import write_random_traffic

    first = COLLECTION_SEEDS if seed is None else seed
    with Bar("scenarios") as bar:
        write_random_traffic(out, range(first, first + count), lambda done: bar.move(done, count))
    console.print(f"{out}: {count} scenarios")


@app.command()
def train(
    model_file: Annotated[str, typer.Argument(help="path of a model file, models/x.py")],
    data: Annotated[list[str], typer.Option(help="data set folder; give several times")],
    out: Annotated[Path, typer.Option(help="folder of the training run; the same again resumes it")],
    recipe: Annotated[str, typer.Option(help="one of the model file's RECIPES")],
    changes: Annotated[list[str] | None, typer.Option("--set", help="recipe field=value")] = None,
) -> None:
    """Train a world model on data sets, in one process or in those that torchrun started."""
    from wm_planner.training import loop

    overrides = dict(map(setting, changes or ()))
    with Bar("iteration") as bar:

        def report(progress: loop.Progress) -> None:
            bar.say(progress.words, str(progress))
            if progress.ran_out:
                console.print("stopped at its CPU limit; resume with a higher --set cpu_seconds")

        loop.train(model_file, data, out, recipe, overrides, report, bar.move)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="folder of a training run")],
    out: Annotated[Path, typer.Option(help="folder of the bundle")],
) -> None:
    """Export a trained model as a bundle of ONNX graphs with a card."""
    from wm_planner.training.export import export as export_bundle

    card = export_bundle(run, out)
    errors = ", ".join(f"{name} {graph.max_abs_error:.1e}" for name, graph in card.graphs.items())
    console.print(f"{out}: {card.about}\nlargest difference between torch and ONNX Runtime: {errors}")


@app.command("export-planner")
def export_planner(
    model: Annotated[str, typer.Argument(help="bundle")],
    out: Annotated[Path, typer.Option(help="file of the planner, planner.onnx")],
    overrides: Annotated[list[str] | None, typer.Argument(help="the launch file's argument=value")] = None,
    launch: Annotated[str | None, typer.Option(help="launch file: its planner and costs are taken")] = None,
    planner: Annotated[
        str | None, typer.Option(help="without a launch file: icem, cem, ...; to the latent of the goal")
    ] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="the planner's field=value")] = None,
) -> None:
    """Write a whole planner as one ONNX graph, which any ONNX runtime plans with."""
    from wm_planner.launching.file import planning
    from wm_planner.portable import export as portable

    if launch is not None and planner is not None:
        raise ConfigError("got --launch and --planner, wanted one: a launch file has a planner")
    if launch is None and overrides:
        raise ConfigError(f"got '{overrides[0]}', wanted --launch with it; fields of a planner are --set")
    spec, costs = {"type": planner or "icem"}, [{"type": "latent_goal"}]
    if launch is not None:
        spec, costs = planning(launch, overrides or ())
    for change in changes or ():
        put(spec, *setting(change))
    made = portable.export_planner(model, spec, costs, out, f"{launch}: " if launch else "")
    for title, ports in (("takes", made.inputs), ("gives", made.outputs)):
        console.print(f"{out} {title}")
        for name, words in ports.items():
            console.print(f"  {name:20s} {words}", soft_wrap=True, markup=False, highlight=False)
    told = made.difference
    console.print(
        f"{out}: {out.stat().st_size / 1e3:.0f} KB; largest difference from the Python planner in "
        f"{told.plans} plans: actions {told.actions:.1e} of half their range, cost {told.cost:.1e}",
        soft_wrap=True,
    )


@app.command("import")
def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="a published V-JEPA 2-AC, e.g. vjepa2-ac-vitg.pt")],
    out: Annotated[Path, typer.Option(help="folder of the bundle")],
    precision: Annotated[str, typer.Option(help="of weights and arithmetic: fp32 or fp16")] = "fp32",
    context: Annotated[int, typer.Option(min=1, help="frames that a step sees; beyond 1 by a cache")] = 1,
) -> None:
    """Turn published weights into a bundle that is ready to launch."""
    from wm_planner.training import importing

    card, reports = importing.import_checkpoint(file, out, precision, context)
    for report in reports:
        console.print(
            f"{report.source}: {report.loaded} arrays, left over: {', '.join(report.left_over) or 'none'}"
        )
    errors = ", ".join(f"{name} {graph.max_abs_error:.1e}" for name, graph in card.graphs.items())
    console.print(f"{out}: {card.about}\nlargest difference between torch and ONNX Runtime: {errors}")


@app.command()
def doctor() -> None:
    """Show what this machine has and lacks."""
    from wm_planner.cli import doctor as examiner

    findings = list(examiner.examine())
    for finding in findings:
        mark = "[green]ok[/]  " if finding.is_well else "[red]bad[/] "
        console.print(f"{mark}{finding.what:30s} {escape(finding.found)}", soft_wrap=True)
    if not all(finding.is_well for finding in findings):
        sys.exit(2)
