"""`wm launch`: run the nodes of a launch file and report."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from wm_planner.errors import MessagingError, NodeError, RecordingError, missing_package
from wm_planner.terminal import INTERRUPTED, console

if TYPE_CHECKING:
    from wm_planner.evaluation.runs.live import Live
    from wm_planner.evaluation.runs.run_statistics import RunFigures
    from wm_planner.launching.supervisor import Supervisor


class LaunchCommand(TyperCommand):
    """`wm launch FILE --help` prints the arguments of FILE."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if set(args) & set(self.get_help_option_names(ctx)):
            given, _, _ = self.make_parser(ctx).parse_args(list(args))
            if given.get("file"):
                _print_arguments(given["file"])
                ctx.exit()
        return super().parse_args(ctx, args)


def _print_arguments(name: str) -> None:
    from wm_planner.launching import file as launch_file
    from wm_planner.launching.about import about

    words = about(launch_file.find(name))
    lines = [f"wm launch {name} [ARGUMENT=VALUE]... [--name RUN]", "", *words.lines, ""]
    lines.append("Arguments and their defaults:" if words.arguments else "It has no arguments.")
    console.print("\n".join([*lines, *_columns(words.arguments)]), soft_wrap=True, markup=False)


def _print_list(is_wanted: bool) -> None:
    from wm_planner.launching.about import launch_files

    if is_wanted:
        rows = [(name, words.title) for name, words in launch_files().items()]
        console.print("\n".join(_columns(rows)), soft_wrap=True, markup=False)
        raise typer.Exit


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text as lines, every column as wide as its longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(["", *map(str.ljust, row, widths)]).rstrip() for row in rows]


def launch(
    file: Annotated[str, typer.Argument(help="name of a launch file in launch/, or a path")],
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value")] = None,
    name: Annotated[str | None, typer.Option(help="name of the run; its folder is runs/NAME")] = None,
    list_files: Annotated[
        bool,
        typer.Option("--list", help="list the launch files and exit", callback=_print_list, is_eager=True),
    ] = False,
) -> None:
    """Start the nodes of a launch file, show their progress, and report.

    `wm launch FILE --help` lists the arguments of FILE.

    Ctrl-C stops the nodes and reports; a second one kills them.
    """
    from wm_planner.evaluation.runs.live import NEWS, Live
    from wm_planner.launching import file as launch_file
    from wm_planner.launching.run import RUNS, new_name, prepare
    from wm_planner.launching.supervisor import Supervisor

    path = launch_file.find(file)
    name = name or new_name(path.stem)
    spec = launch_file.load(path, name, overrides or ())
    simulated = next((n.params for n in spec.nodes if n.program.stem == "simulator"), {})
    notes = _notes(simulated)
    folder = prepare(RUNS / name, spec)
    episodes = simulated.get("episodes")
    console.print(f"{path.stem} in {spec.clock}, {len(spec.nodes)} nodes, into {folder}")
    if not any(node.ends_run for node in spec.nodes):
        notes = (*notes, "no node ends this run (on_exit: shutdown), stop it with Ctrl-C")
    console.print("".join(f"note: {note}\n" for note in notes), end="", soft_wrap=True, markup=False)
    with Live(name, episodes, console, lossless=spec.clock == "lockstep") as live:
        supervisor = Supervisor(spec, folder, domain=name, on_event=live.event, on_wait=live.note)
        status, reason, failure = _supervise(supervisor, live, folder)
    happened = [event._asdict() for event in supervisor.events if event.kind in NEWS]
    run = {
        "launch": path.stem,
        "overrides": overrides or [],
        "status": status,
        "reason": reason,
        "notes": list(notes),
    }
    try:
        _report(folder, live.statistics.figures(), episodes, run | {"events": happened})
    except OSError as error:  # a full disk, which may have ended the run too
        if failure is None:
            raise
        _print_without("report", _described(error, folder))
    if failure is not None:
        raise failure
    if status == "interrupted":
        console.print(f"interrupted: {reason}")
        sys.exit(INTERRUPTED)


def _supervise(supervisor: "Supervisor", live: "Live", folder: Path) -> tuple[str, str, NodeError | None]:
    """How a run ended: status, reason, and the error of the node that failed, if one did.

    Raises:
        MessagingError: if the domain cannot be claimed; then nothing was started, and the folder is removed.
    """
    from wm_planner.launching.run import discard

    try:
        status, reason = supervisor.run(live.step)
    except NodeError as error:
        return "failed", str(error), error
    except MessagingError:
        discard(folder)
        raise
    return status, reason, None


def _notes(simulated: Mapping[str, Any]) -> tuple[str, ...]:
    """Notes on what a simulator node hosts, such as what the reader of a scenario had to repair."""
    from wm_planner.bridges import simulators
    from wm_planner.simulation.selection import simulator_spec

    hosted = simulated.get("simulator", simulated.get("scene"))
    if hosted is None:
        return ()
    return simulators.check(simulator_spec(hosted, "simulator"), "simulator")


def _report(folder: Path, figures: "RunFigures", planned: int | None, run: dict[str, Any]) -> None:
    """Print the tables of a run and write its summary, plot and film."""
    from wm_planner.evaluation.runs import report
    from wm_planner.launching.run import RECORDING
    from wm_planner.recording.parts import parts_of

    if figures.episodes or run["status"] != "failed":
        console.print(report.tables(figures, planned))
    for line in report.respawns(run["events"]):
        console.print(line, style="yellow", soft_wrap=True, markup=False)
    report.write_summary(folder, figures, run)
    made = [folder / report.SUMMARY_FILE, *_pictures(folder, figures)]
    recorded = [part for part in parts_of(folder / RECORDING) if part.is_file()]
    for path in [*made, *recorded]:
        console.print(f"  {path}  {path.stat().st_size / 1e3:.0f} KB", soft_wrap=True)


def _pictures(folder: Path, figures: "RunFigures") -> Iterator[Path]:
    """The plot and the film of a run; a line for each that could not be made."""
    from wm_planner.evaluation.runs import report
    from wm_planner.launching.run import RECORDING

    def film() -> Path:
        from wm_planner.evaluation.runs.video import write_video

        return write_video(folder / RECORDING, folder)

    wanted: dict[str, Callable[[], Path]] = {}
    if figures.has_distance:
        wanted["plot"] = lambda: report.plot(folder, figures, folder.name)
    if (folder / RECORDING).is_file():
        wanted["film"] = film
    for kind, make in wanted.items():
        try:
            yield make()
        except RecordingError as error:
            _print_without(kind, str(error))
        except OSError as error:
            _print_without(kind, _described(error, folder))
        except ModuleNotFoundError as error:
            _print_without(kind, missing_package(error))


def _print_without(kind: str, reason: str) -> None:
    console.print(f"  no {kind}: {reason}", soft_wrap=True, markup=False)


def _described(error: OSError, folder: Path) -> str:
    return f"{error.filename or folder}: {error.strerror or error}"
