"""`wm eval`: recorded runs, and planners on traffic scenarios."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from wm_planner.errors import ConfigError
from wm_planner.terminal import INTERRUPTED, Bar, console, table

if TYPE_CHECKING:
    from wm_planner.driving.evaluation.scenario_runs import ScenarioResult

RUN = "run"


class _RunByDefault(TyperGroup):
    """`wm eval runs/NAME` is `wm eval run runs/NAME`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        named = not args or args[0] in self.commands or args[0] in self.get_help_option_names(ctx)
        return super().parse_args(ctx, args if named else [RUN, *args])


app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    help="Evaluate a recorded run (`wm eval runs/NAME`), or planners on traffic scenarios.",
)


@app.command(RUN)
def recorded_run(
    folder: Annotated[Path, typer.Argument(help="folder of a run, runs/NAME")],
    model: Annotated[
        str | None, typer.Option(help="bundle whose predictions are examined; by default that of the run")
    ] = None,
) -> None:
    """Evaluate a recorded run: success, timing, surprise, and prediction error by horizon."""
    from wm_planner.evaluation.runs import report
    from wm_planner.evaluation.runs.offline import prediction_errors, replayed_figures
    from wm_planner.launching.run import Launched, recording_of
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    recording = recording_of(folder)
    launched = Launched.read(folder)
    bundle = model or launched.world_model
    loaded = OnnxWorldModel.load(bundle) if bundle else None
    console.print(report.tables(replayed_figures(recording), launched.episodes))
    if loaded is None:
        return console.print("the run planned without a learned model; --model names one to examine")
    errors = table(
        f"prediction error of {bundle}, copying the last latent is 1", "steps ahead", "error", "pairs"
    )
    for steps, (error, pairs) in prediction_errors(recording, loaded).items():
        errors.add_row(str(steps), f"{error:.3f}", str(pairs))
    return console.print(errors)


@app.command()
def driving(
    scenarios: Annotated[list[Path], typer.Argument(help="folders and files of scenarios")],
    planner: Annotated[
        list[str] | None,
        typer.Option(help="TYPE or TYPE,setting=value; by default all that need no settings"),
    ] = None,
    agents: Annotated[
        list[str] | None, typer.Option(help="replay: as recorded; idm: they react; by default both")
    ] = None,
    vehicle: Annotated[str, typer.Option(help="vehicle of the ego")] = "bmw_320i",
    seconds: Annotated[float, typer.Option(min=1.0, help="duration at which a drive ends")] = 30.0,
    out: Annotated[Path | None, typer.Option(help="folder of results and pictures")] = None,
    films: Annotated[bool, typer.Option(help="also films, with --out")] = False,
    solutions: Annotated[
        Path | None, typer.Option(help="folder of CommonRoad solution files, with a folder per planner")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="number of processes")] = 2,
) -> None:
    """Compare planners on traffic scenarios in closed loop: all scores, with intervals."""
    from wm_planner.config import convert
    from wm_planner.driving.evaluation import result_files, scenario_runs, tables
    from wm_planner.driving.evaluation.selection import select

    planners, unfit = scenario_runs.resolve_planners(planner)
    given: dict[str, Any] = {
        "planners": planners,
        "agents": tuple(agents or scenario_runs.AGENTS),
        "vehicle": vehicle,
    }
    given |= {name: str(path) for name, path in (("out", out), ("solutions", solutions)) if path}
    settings = convert(
        given | {"max_duration_s": seconds, "films": films}, scenario_runs.RunSettings, "wm eval driving: "
    )
    if films and out is None:
        raise ConfigError("got --films without --out, wanted the folder of the films")
    for option, folder in (("--out", out), ("--solutions", solutions)):
        if folder is not None:
            result_files.check_folder(option, folder)
    chosen = select(scenarios)
    if out is not None and (removed := result_files.clear("--out", out, solutions)):
        _print(f"{out}: removed {removed} files of an earlier run")
    for line in _note_lines(chosen.notes):
        _print(line)
    runs = scenario_runs.run_scenarios(chosen.files, settings, workers)
    done, is_cut = _until_interrupted(_with_bar(runs, len(chosen.files)))
    refused = chosen.refused | {each.file: each.refused for each in done if each.refused}
    left_out: dict[str, Any] = {"refused": refused, "duplicates": chosen.duplicates, "planners": unfit}
    _print_left_out(left_out)
    scores = [scores for each in done for scores in each.scores]
    if not scores and not is_cut:
        raise ConfigError(f"none of {len(refused)} files can be driven: see the reasons above")
    for each in tables.tables(scores) if scores else ():
        console.print(each, markup=False)
    if out is not None:
        result_files.write_results(out, scores, left_out | {"notes": chosen.notes})
    for line in result_files.describe_outputs(out, solutions, scores):
        _print(f"  {line}")
    if is_cut:
        _print(f"interrupted: {len(done)} of {len(chosen.files)} scenarios were driven")
        raise typer.Exit(INTERRUPTED)


def _print_left_out(left_out: Mapping[str, Mapping[str, str]]) -> None:
    for what, reasons in left_out.items():
        for name, reason in reasons.items():
            _print(f"refused {reason}" if reason.startswith(name) else _LEFT_OUT[what].format(name) + reason)


_LEFT_OUT = {
    "refused": "refused {}: ",
    "duplicates": "not counted {}: the same benchmark id as ",
    "planners": "left out the planner {}: ",
}


_NOTES = 5  # printed per file


def _print(line: str) -> None:
    console.print(line, soft_wrap=True, markup=False)


def _note_lines(notes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One line per note of a reader, the first few of each file."""
    for file, found in notes.items():
        yield from (f"note {file}: {note}" for note in found[:_NOTES])
        if len(found) > _NOTES:
            yield f"note {file}: and {len(found) - _NOTES} more"


def _until_interrupted(done: "Iterator[ScenarioResult]") -> "tuple[list[ScenarioResult], bool]":
    """The results so far, and whether Ctrl-C cut them short."""
    found = []
    try:
        for each in done:
            found.append(each)
    except KeyboardInterrupt:
        return found, True
    return found, False


def _with_bar(done: "Iterator[ScenarioResult]", total: int) -> "Iterator[ScenarioResult]":
    """The results, with a progress bar."""
    from wm_planner.driving.evaluation.tables import by_file

    with Bar("scenarios") as bar:
        bar.update(0, total)
        for number, each in enumerate(done, start=1):
            yield each
            bar.update(number, total)
            line = f"{each.file}: refused" if each.refused else by_file(each.scores)
            bar.describe(Path(each.file).stem, line)
