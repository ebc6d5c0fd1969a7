"""Benchmarks of faults: a soak of a running arm or car, and its report."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.cli.bench.base import Positive, app
from wm_planner.terminal import Bar, console, resumable

RUNS = Path("runs/soak")


@app.command()
def soak(
    launch: Annotated[str, typer.Argument(help="launch file of an arm or a car")],
    overrides: Annotated[list[str] | None, typer.Argument(help="argument=value of the launch file")] = None,
    faults: Positive = 100,
    seed: Annotated[int, typer.Option(min=0, help="of the faults and their order")] = 0,
    out: Annotated[Path, typer.Option(help="folder of the runs; the same command goes on")] = RUNS,
) -> None:
    """Faults in realtime: killed and suspended nodes, late and lost messages, full disks, two at once."""
    from wm_planner.bench.soak.report import markdown
    from wm_planner.bench.soak.soak import count_of
    from wm_planner.bench.soak.soak import soak as sessions
    from wm_planner.bench.soak.verdict import Verdict

    done = []
    with resumable(), Bar("faults") as bar:
        seen = 0

        def report(verdict: Verdict) -> None:
            nonlocal seen
            seen += len(verdict.faults)
            missed = "; ".join(verdict.misses)
            bar.update(min(seen, faults), faults)
            bar.describe(verdict.name, f"{verdict.name}: {missed}" if missed else "")

        for session in sessions(launch, overrides or (), faults, seed, out, report):
            done.append(session)
            seen = count_of(done)
            bar.update(min(seen, faults), faults)
    console.out(markdown(done), highlight=False)


@app.command("soak-report")
def soak_report(
    folders: Annotated[list[Path], typer.Argument(help="--out of `wm bench soak`; several are put together")],
) -> None:
    """What soaks have shown, in Markdown."""
    from wm_planner.bench.soak.report import markdown
    from wm_planner.bench.soak.soak import sessions_log

    sessions = [each for folder in folders for each in sessions_log(folder).lines]
    console.out(markdown(sessions), highlight=False)
