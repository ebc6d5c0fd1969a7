"""Runs with faults, one after the other, until there have been enough; finished ones are kept in a log."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from wm_planner.bench.soak.session import Session, SessionResult
from wm_planner.bench.soak.verdict import Verdict
from wm_planner.errors import ConfigError
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
        folder: for the logs and recordings of each run; `sessions.jsonl` in it keeps the finished runs, which
            the same call does not repeat.
        report: called with each verdict.

    Yields:
        the runs that the log holds, and then each one as it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "sessions.jsonl"
    done = list(read_sessions(log))
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
        with log.open("ab") as lines:
            lines.write(msgspec.json.encode(done[-1]) + b"\n")
        yield done[-1]
        if not done[-1].verdicts:
            raise ConfigError(
                f"{launch}: no fault could happen: {done[-1].end} (logs: {folder / str(number)})"
            )


def read_sessions(log: Path) -> Iterator[SessionResult]:
    """The runs that a log holds; none if there is no such file.

    Raises:
        ConfigError: if a line is not one of this version.
    """
    lines = log.read_bytes().splitlines() if log.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            yield msgspec.json.decode(line, type=SessionResult)
        except msgspec.DecodeError as error:
            raise ConfigError(
                f"{log}:{number}: not a run of this version ({error}); remove the file"
            ) from None
