"""Log of finished drives, from which an interrupted evaluation resumes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.driving.evaluation.scenario_runs import ScenarioResult
from wm_planner.evaluation.resumable_log import ResumableLog


class _Line(msgspec.Struct, frozen=True):
    settings: str
    file: str
    scores: tuple[DriveScores, ...]


class DriveLog:
    """A log with one JSON object per line, or no log.

    Args:
        path: path of the file; None to keep no log.

    Raises:
        ConfigError: if the file has other contents.
    """

    def __init__(self, path: Path | None) -> None:
        self._log = ResumableLog(path, _Line, "a drive")
        self._done = {(line.settings, line.file): line for line in self._log.lines}

    def drives(
        self, settings: str, files: Sequence[Path], run: Callable[[Sequence[Path]], Iterable[ScenarioResult]]
    ) -> Iterator[tuple[DriveScores, ...]]:
        """Scores of each file: first those in the log, then the missing ones by `run`.

        Args:
            settings: everything else that the scores depend on.
            files: scenario files.
            run: drives scenario files.
        """
        known = [line for file in files if (line := self._done.get((settings, str(file))))]
        yield from (line.scores for line in known)
        missing = [file for file in files if (settings, str(file)) not in self._done]
        for done in run(missing) if missing else ():
            self._append(_Line(settings, done.file, done.scores))
            yield done.scores

    def _append(self, line: _Line) -> None:
        self._done[line.settings, line.file] = line
        self._log.append(line)
