"""Benchmarks of trained bundles: success, prediction, energy."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from wm_planner.cli.bench.base import (
    BULLET,
    SHIPPED,
    Models,
    Positive,
    app,
    scene_and_planner,
)
from wm_planner.terminal import console, table

NEARLY_TRUE = "physics.planning_model={timestep_s: 0.005}"  # of the scene itself it is 2 ms


@app.command()
def success(
    launch: Annotated[str, typer.Argument(help="launch file whose scene, planner and costs are used")],
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value of the launch file")] = None,
    model: Models = SHIPPED,
    episodes: Positive = 200,
    physics_episodes: Annotated[
        int, typer.Option(min=0, help="episodes over true physics, which is slow")
    ] = 50,
    steps: Positive = 30,
    disturbed: Annotated[
        int, typer.Option(min=0, help="episodes each with moved cameras, half the light, distractors")
    ] = 0,
    untrained: Annotated[str | None, typer.Option(help="bundle with an untrained encoder")] = None,
    baselines: Annotated[
        bool, typer.Option(help="also random, straight, and planning over true physics")
    ] = True,
    greedy: Annotated[bool, typer.Option(help="also each model with a horizon of one step")] = True,
    models: Annotated[bool, typer.Option(help="the models; off for only the baselines")] = True,
    first_seed: Annotated[
        int, typer.Option(min=0, help="first seed; no setting was chosen on 10000 and up")
    ] = 10_000,
    near: Annotated[
        int | None,
        typer.Option(min=1, help="start this many random steps from the goal, instead of 15 cm or more"),
    ] = None,
    workers: Positive = 2,
    out: Annotated[Path | None, typer.Option(help="JSON file of the rows")] = None,
    cards: Annotated[bool, typer.Option(help="write each model's rows on its card")] = False,
) -> None:
    """Success by distance at the end of the episode, on seeds that training never saw."""
    from wm_planner.evaluation.closed_loop import success as s
    from wm_planner.simulation.scene import Disturbance

    _check_bundles([*(model if models else ()), *([untrained] if untrained else [])])
    scene, planner = scene_and_planner(launch, overrides or (), model[0])
    rows: list[s.SuccessRow] = []

    def run(
        name: str, policy: Any, count: int = episodes, disturbance: Disturbance | None = None
    ) -> s.SuccessRow:
        seeds = range(first_seed, first_seed + count)
        rows.append(s.success_row(name, scene, policy, seeds, steps, disturbance, workers, near))
        console.print(f"{name}: {rows[-1].near[0]} of {rows[-1].episodes} within 5 cm")
        return rows[-1]

    for name, policy, count in _baselines(scene, physics_episodes) if baselines else ():
        run(name, policy, min(count, episodes))
    search, how = (planner["planner"], planner["costs"]), _described(overrides or ())
    if untrained:
        run("untrained encoder, trained predictor", s.Bundle(untrained, *search))
    for name in model if models else ():
        bundle = s.Bundle(name, *search, planner.get("mpc", {}))
        earned = [run(f"{name}{how}", bundle)]
        if greedy:
            earned.append(run(f"{name}{how}, greedy (horizon 1)", bundle.greedy()))
        for what, disturbance in _DISTURBANCES.items() if disturbed else ():
            earned.append(run(f"{name}{how}, {what}", bundle, disturbed, Disturbance(**disturbance)))
        if cards:
            _write_results(name, earned)
    _print_rows(Path(launch).stem, near, steps, rows, out)


def _described(overrides: Sequence[str]) -> str:
    """What is added to the name of a row for the arguments of a launch file."""
    return f", {' '.join(overrides)}" if overrides else ""


def _print_rows(launch: str, near: int | None, steps: int, rows: list[Any], out: Path | None) -> None:
    from wm_planner.evaluation.closed_loop.success import success_table

    start = f"start {near} steps from the goal" if near else "start 15 cm or more from the goal"
    console.print(success_table(f"{launch}: {start}, {steps} steps, distance at the end", rows))
    if out:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


def _baselines(scene: str, physics_episodes: int) -> Iterator[tuple[str, Any, int]]:
    """Policies without a learned model, with the largest number of episodes of each."""
    from wm_planner.evaluation.closed_loop import success as s
    from wm_planner.evaluation.closed_loop.physics_task import PhysicsTask

    yield "random actions", s.random_actions, sys.maxsize
    yield "straight line to the known goal", s.straight_line, sys.maxsize
    if physics_episodes and scene != BULLET:
        over_physics = PhysicsTask.load(Path(scene).stem, [NEARLY_TRUE])
        yield "planner over true physics, known goal", over_physics, physics_episodes


def _check_bundles(names: list[str]) -> None:
    """Refuse a bundle that does not exist, before the first episode."""
    from wm_planner.share import find
    from wm_planner.world_models.onnx.card_file import read_card

    for name in names:
        read_card(find(name))


_DISTURBANCES: dict[str, dict[str, Any]] = {
    "cameras moved 2 cm, 2 degrees": {"camera_shift_m": 0.02, "camera_tilt_deg": 2.0},
    "half the light": {"light_scale": 0.5},
    "two distractors": {"distractors": 2},
}


def _write_results(model: str, earned: list[Any]) -> None:
    """Replace the card's rows of the same name, scene and starts by these."""
    from wm_planner import share
    from wm_planner.world_models.onnx.card_file import read_card, write_card

    folder = share.find(model)
    card = read_card(folder)
    names = {(row.policy, row.scene, row.start_steps) for row in earned}
    same = tuple(
        (row.get("policy"), row.get("scene"), row.get("start_steps")) in names for row in card.results
    )
    kept = tuple(row for row, is_same in zip(card.results, same, strict=True) if not is_same)
    fresh = tuple(msgspec.to_builtins(row) for row in earned)
    write_card(msgspec.structs.replace(card, results=kept + fresh), folder)


@app.command()
def prediction(
    data: Annotated[list[str], typer.Option(help="held-out data set; repeatable")],
    model: Models = SHIPPED,
    quantity: Annotated[str, typer.Option(help="state that is probed")] = "tcp_position",
) -> None:
    """Prediction error relative to copying, a probe of a physical state, and the spread of the latent."""
    from wm_planner.data.forms import open_dataset
    from wm_planner.evaluation.model_quality.prediction import measure
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    models = [OnnxWorldModel.load(name, device="cpu") for name in model]
    for folder in data:
        opened = open_dataset(folder)
        unit = next((spec.unit for spec in opened.meta.state if spec.name == quantity), "")
        errors = table(
            f"{folder}: error 1, 5, 10 steps ahead (copying the last latent is 1), 5 with shuffled actions; "
            f"linear probe of {quantity}, worst component; effective rank and least std of the latent; "
            "share of its variance that is constant",
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
def energy(
    data: Annotated[Path, typer.Option(help="held-out data set")],
    model: Models = SHIPPED,
    states: Positive = 50,
    cells: Annotated[int, typer.Option(min=3, help="grid cells along each axis")] = 11,
    axes: Annotated[list[str] | None, typer.Option(help="dx,dy; repeatable")] = None,
) -> None:
    """The share of states whose cost has its minimum within one cell of the recorded action."""
    from wm_planner.data.forms import open_dataset
    from wm_planner.evaluation.model_quality import energy as e
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    opened = open_dataset(data)
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
