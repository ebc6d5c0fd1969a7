"""`wm launch`: start the nodes of a launch file, follow the run, report."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from wm_planner.errors import NodeError
from wm_planner.terminal import INTERRUPTED, console


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
    from wm_planner.simulation.selection import simulator_spec

    path = launch_file.find(file)
    name = name or new_name(path.stem)
    spec = launch_file.load(path, name, overrides or ())
    simulated = next((n.params for n in spec.nodes if n.program.stem == "simulator"), {})
    hosted = simulated.get("simulator", simulated.get("scene"))
    notes: tuple[str, ...] = ()
    if hosted is not None:
        notes = simulators.check(simulator_spec(hosted, "simulator"), "simulator")
    folder = prepare(Path("runs") / name, spec)
    episodes = simulated.get("episodes")
    console.print(f"{path.stem} in {spec.clock}, {len(spec.nodes)} nodes, into {folder}")
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)
    failure: NodeError | None = None
    status: str
    with Live(name, episodes, console, lossless=spec.clock == "lockstep") as live:
        supervisor = Supervisor(spec, folder, domain=name, on_event=live.event)
        try:
            status, reason = supervisor.run(lambda: live.step(supervisor.is_stopping))
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
