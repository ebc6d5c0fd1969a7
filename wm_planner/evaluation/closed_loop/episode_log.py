"""Log of finished episodes, from which an interrupted closed-loop run resumes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from wm_planner.evaluation.closed_loop.episodes import EpisodeResult
from wm_planner.evaluation.resumable_log import ResumableLog


class _Line(msgspec.Struct, frozen=True):
    policy: str
    seed: int
    distances: list[float]
    plan_cpu_s: list[float]
    encode_cpu_s: list[float] = []


class EpisodeLog:
    """A log with one JSON object per line, or no log.

    Args:
        path: path of the file; None to keep no log.

    Raises:
        ConfigError: if the file has other contents.
    """

    def __init__(self, path: Path | None) -> None:
        self._log = ResumableLog(path, _Line, "an episode")
        self._done: dict[tuple[str, int], EpisodeResult] = {}
        for line in self._log.lines:
            self._remember(line)

    def run(
        self,
        policy: str,
        seeds: Sequence[int],
        batch: int,
        run: Callable[[Sequence[int]], list[EpisodeResult]],
    ) -> list[EpisodeResult]:
        """One result per seed: from the log, or else by `run`, which is called for batches of seeds.

        Args:
            policy: everything that the results depend on except the seed.
            seeds: seeds of the episodes.
            batch: number of seeds per call of `run`.
            run: runs the episodes of some seeds.
        """
        missing = [seed for seed in seeds if (policy, seed) not in self._done]
        for start in range(0, len(missing), batch):
            for result in run(missing[start : start + batch]):
                self._append(policy, result)
        return [self._done[policy, seed] for seed in seeds]

    def _append(self, policy: str, result: EpisodeResult) -> None:
        times = result.plan_cpu_s.tolist(), result.encode_cpu_s.tolist()
        line = _Line(policy, result.seed, result.distances.tolist(), *times)
        self._log.append(line)
        self._remember(line)

    def _remember(self, line: _Line) -> None:
        arrays = map(np.array, (line.distances, line.plan_cpu_s, line.encode_cpu_s))
        self._done[line.policy, line.seed] = EpisodeResult(line.seed, *arrays)
