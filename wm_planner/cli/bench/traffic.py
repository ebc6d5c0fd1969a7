"""Benchmarks of driving: geometry, closed loops, CommonRoad's own tools, a model of traffic."""

from pathlib import Path
from typing import Annotated, Any

import typer

from wm_planner.cli.bench.base import Models, Positive, app
from wm_planner.errors import ConfigError
from wm_planner.terminal import Bar, console, table

TRAFFIC = ["models/bundles/drive_bev"]


@app.command()
def driving(
    candidates: Annotated[int, typer.Option(min=15, help="trajectories of 40 steps")] = 512,
    repeats: Positive = 30,
    scenario: Annotated[list[str] | None, typer.Option(help="scenario to simulate; repeatable")] = None,
) -> None:
    """CPU time of driving: geometry by numba, NumPy and, if installed, shapely; and closed loops."""
    from wm_planner.bench.measurements.driving import driving_rows, driving_table
    from wm_planner.bench.measurements.driving_loop import (
        DRIVES,
        loop_table,
        loop_timings,
        rollout_text,
    )
    from wm_planner.driving.scenarios.readers import read_scenario
    from wm_planner.share import find

    console.print(driving_table(driving_rows(candidates, repeats)))
    scenarios = scenario or DRIVES
    console.print(loop_table(loop_timings(scenarios)))
    console.print(rollout_text(read_scenario(find(scenarios[0]))))


@app.command()
def commonroad(
    results: Annotated[Path, typer.Argument(help="--out of `wm eval driving`, with --solutions")],
    reactive: Annotated[
        bool, typer.Option(help="also CommonRoad's reactive planner on the same scenarios")
    ] = True,
    limit: Annotated[
        float, typer.Option(min=1.0, help="seconds of wall time per drive of that planner")
    ] = 25.0,
) -> None:
    """Solution files by CommonRoad's own checker and costs, and its planner on the same scenarios."""
    from wm_planner.bench.measurements import commonroad_tools as c
    from wm_planner.driving.evaluation.result_files import DRIVES_FILE, read_drives
    from wm_planner.terminal import Bar

    solved = [each for each in read_drives(results / DRIVES_FILE) if each.solution]
    if not solved:
        raise ConfigError(f"{results} names no solution files: run `wm eval driving` with --solutions")
    files = list(dict.fromkeys(each.file for each in solved))
    comparisons, reactive_drives = [], []
    with c.CommonRoadTools(c.tools_python()) as tools, Bar("solutions and drives") as bar:
        total = len({each.solution for each in solved}) + reactive * len(files)
        bar.update(0, total)
        for comparison in c.compare_solutions(solved, tools):
            comparisons.append(comparison)
            bar.update(len(comparisons), total)
        for drive in c.reactive_drives(files, tools, limit) if reactive else ():
            reactive_drives.append(drive)
            bar.update(len(comparisons) + len(reactive_drives), total)
            bar.describe(drive.scenario, f"{drive.scenario}: {c.COMMONROAD.package} ended with {drive.ended}")
    console.print(c.comparison_table(comparisons))
    for line in c.disagreements(comparisons):
        console.print(f"  {line}", soft_wrap=True)
    if reactive_drives:
        console.print(c.reactive_drives_table(reactive_drives))


@app.command("traffic-model")
def traffic_model(
    scenarios: Annotated[Path, typer.Option(help="folder of held-out scenarios, see `wm scenarios`")],
    model: str = TRAFFIC[0],
    driver: Annotated[str, typer.Option(help="driver that accepts costs of a model")] = "cem",
    goal_weight: Annotated[float, typer.Option(help="weight of the distance to the goal's picture")] = 0.1,
    surprise_weight: Annotated[float, typer.Option(help="weight of the distance from training drives")] = 0.1,
    variant: Annotated[
        list[str] | None, typer.Option(help="goal, surprise or both; repeatable; by default all")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="number of scenarios")] = 24,
    seconds: Annotated[float, typer.Option(min=4.0, help="duration at which a drive ends")] = 15.0,
    workers: Positive = 2,
    log: Annotated[Path | None, typer.Option(help="file that keeps finished drives, to resume from")] = None,
) -> None:
    """The gain of a driver from a learned model of traffic, in pairs of drives among reacting agents."""
    from wm_planner.bench.measurements import traffic_model_ablation
    from wm_planner.bench.measurements.drive_log import DriveLog

    made = traffic_model_ablation.variants(driver, model, goal_weight, surprise_weight)
    unknown = sorted(set(variant or ()) - set(made))
    if unknown:
        raise ConfigError(f"variant is {unknown[0]}, wanted one of {', '.join(made)}")
    chosen = {
        name: spec
        for name, spec in made.items()
        if not variant or name in (traffic_model_ablation.PLAIN, *variant)
    }
    files = _scenario_files(scenarios)[:count]
    scores: list[Any] = []
    with Bar("drives") as bar:
        driven = traffic_model_ablation.run_variants(chosen, files, seconds, workers, DriveLog(log))
        for number, done in enumerate(driven, start=1):
            scores.extend(done)
            bar.update(number, len(files) * len(chosen))
    title = f"{scenarios}, {len(files)} scenarios, {seconds:g} s, {driver}"
    console.print(traffic_model_ablation.gains_table(title, scores))


def _scenario_files(folder: Path) -> list[Path]:
    """The scenarios in a folder, in order.

    Raises:
        ConfigError: if there are no scenarios.
    """
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise ConfigError(f"{folder}: no scenarios found, wanted *.xml; `wm scenarios` makes some")
    return files


@app.command()
def surprise(
    scenarios: Annotated[Path, typer.Option(help="folder of held-out scenarios, see `wm scenarios`")],
    model: Models = TRAFFIC,
    seed: Annotated[int, typer.Option(min=0, help="seed of the places where agents appear")] = 0,
) -> None:
    """Whether surprise tells a step in which an agent appears or brakes hard from the same step without."""
    from wm_planner.bench.measurements.surprise_detection import (
        APPEARS,
        BRAKES,
        Discrimination,
        event_pairs,
    )
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    rows = table(
        f"{scenarios}: surprise of a step with an event against the same step without; probability that the "
        "first is larger, of any two (AUC) and within pairs; ratio of medians",
        *("model", "event", "pairs", "AUC", "paired", "ratio"),
    )
    files = _scenario_files(scenarios)
    for name in model:
        loaded = OnnxWorldModel.load(name, device="cpu")
        pairs = list(event_pairs(loaded, files, seed))
        for event in (APPEARS, BRAKES):
            found = Discrimination.of([pair for pair in pairs if pair.event == event])
            rows.add_row(
                loaded.card.name,
                event,
                str(found.pairs),
                f"{found.auc:.3f}",
                f"{found.paired:.0%}",
                f"{found.ratio:.2f}",
            )
    console.print(rows)
