"""Runs with faults, one after the other, until there have been enough; finished ones are kept in a log."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from wm_planner.bench.soak.session import Session, SessionResult
from wm_planner.bench.soak.verdict import Verdict
from wm_planner.errors import ConfigError
from wm_planner.evaluation.resumable_log import ResumableLog
from wm_planner.launching import file as launch_file
from wm_planner.launching.arguments import arguments

_ENDLESS = "episodes=100000"


def count_of(sessions: Sequence[SessionResult]) -> int:
    """The number of faults in some runs, two at once counted as two."""
    return sum(len(verdict.faults) for session in sessions for verdict in session.verdicts)


def soak(
    launch: str,
    overrides: Sequence[str],
    faults: int,
    seed: int,
    folder: Path,
    report: Callable[[Verdict], None] = lambda verdict: None,
) -> Iterator[SessionResult]:
    """Let faults happen in runs of a launch file; in every other one, messages are delayed and lost too.

    Args:
        launch: name or path of the launch file.
        overrides: "argument=value", for its arguments.
        faults: number after which it ends.
        seed: of all faults.
        folder: for the logs and recordings of each run; a log in it keeps the finished runs, which the same
            call does not repeat.
        report: called with each verdict.

    Yields:
        the runs that the log holds, and then each one as it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = sessions_log(folder)
    done = list(log.lines)
    yield from done
    endless = [_ENDLESS] if "episodes" in arguments(launch_file.find(launch)) else []
    while count_of(done) < faults:
        number = len(done)
        name = f"soak_{folder.name}_{number}"
        made = Session(
            launch,
            [*endless, *overrides],
            name,
            folder / str(number),
            is_linked=number % 2 == 1,
            seed=seed + number,
            report=report,
        )
        done.append(made.run())
        log.append(done[-1])
        yield done[-1]
        if not done[-1].verdicts:
            raise ConfigError(
                f"{launch}: no fault could happen: {done[-1].end} (logs: {folder / str(number)})"
            )


def sessions_log(folder: Path) -> ResumableLog[SessionResult]:
    """The log of the finished runs in a folder.

    Raises:
        ConfigError: if there is no such folder, or a line is not of this version.
    """
    return ResumableLog(folder / "sessions.jsonl", SessionResult, "a run of this version of `wm bench soak`")
