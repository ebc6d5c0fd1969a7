"""Scores of long evaluations, kept drive by drive, so that a run that was stopped goes on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.driving.evaluation.scenario_runs import ScenarioResult
from wm_planner.evaluation.resumable_log import ResumableLog


class _Line(msgspec.Struct, frozen=True):
    how: str
    file: str
    scores: tuple[DriveScores, ...]


class DriveLog:
    """A file of one JSON object a line, or nothing that is kept.

    Args:
        path: of the file; None keeps nothing.

    Raises:
        ConfigError: if the file holds something else.
    """

    def __init__(self, path: Path | None) -> None:
        self._kept = ResumableLog(path, _Line, "a drive")
        self._done = {(line.how, line.file): line for line in self._kept.lines}

    def drives(
        self, how: str, files: Sequence[Path], run: Callable[[Sequence[Path]], Iterable[ScenarioResult]]
    ) -> Iterator[tuple[DriveScores, ...]]:
        """The scores of each file: the log's where it has them, then the others' by `run`.

        Args:
            how: all that the scores depend on beside the file.
        """
        known = [line for file in files if (line := self._done.get((how, str(file))))]
        yield from (line.scores for line in known)
        missing = [file for file in files if (how, str(file)) not in self._done]
        for done in run(missing) if missing else ():
            self._append(_Line(how, done.file, done.scores))
            yield done.scores

    def _append(self, line: _Line) -> None:
        self._done[line.how, line.file] = line
        self._kept.append(line)
