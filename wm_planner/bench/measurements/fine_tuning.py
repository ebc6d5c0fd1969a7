"""What fine-tuning a V-JEPA 2-AC on own data gains over training its predictor from scratch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wm_planner.training.loop import Progress, train

FAMILY = "models/vjepa2_ac.py"
STARTS = {"predictor from scratch": "tokens", "fine-tuned": "all"}
"""What a training begins with, to the recipe's `load`.

Both predict the tokens of the pretrained encoder, whitened by its statistics: those of other data would put
the losses in different units.
"""

MIN_ITERATIONS = 50


class TrainingCurve(NamedTuple):
    """The losses of a training.

    Attributes:
        name: what it began with.
        cpu_seconds: CPU time of each report.
        losses: mean since the report before.
        ends: iterations at each report.
    """

    name: str
    cpu_seconds: list[float]
    losses: list[float]
    ends: list[int]

    def loss_at(self, cpu_seconds: float) -> float:
        """The mean loss of at least `MIN_ITERATIONS`, or of all, up to the first report after a CPU time.

        The report at the end may be of a few iterations only.
        """
        last = next((i for i, at in enumerate(self.cpu_seconds) if at >= cpu_seconds), len(self.losses) - 1)
        counts = np.diff(self.ends, prepend=0)
        first = last
        while first > 0 and counts[first : last + 1].sum() < MIN_ITERATIONS:
            first -= 1
        return float(np.average(self.losses[first : last + 1], weights=counts[first : last + 1]))


def measure_fine_tuning(
    pretrained: str,
    part: str,
    data: Sequence[str],
    recipe: str,
    changes: Mapping[str, Any],
    cpu_seconds: float,
    folder: Path,
) -> list[TrainingCurve]:
    """Train on `data` from scratch, then from `pretrained`, for the same CPU time and learning rate.

    Args:
        pretrained: weights of a V-JEPA 2-AC, or the folder of a run.
        part: of `pretrained` with the encoder.
        data: own data sets.
        recipe, changes: of models/vjepa2_ac.py.
        cpu_seconds: of each training; the schedule has no end before.
        folder: for the runs.

    Raises:
        DatasetError, BundleError, ConfigError: see `training.loop.train`.
    """
    curves = []
    for name, load in STARTS.items():
        reports: list[Progress] = []
        own = {
            "cpu_seconds": cpu_seconds,
            "iterations": 1_000_000,
            **changes,
            "pretrained": pretrained,
            "part": part,
            "load": load,
        }
        train(FAMILY, data, folder / load, recipe, own, report=reports.append, warn=lambda text: None)
        curves.append(
            TrainingCurve(
                name,
                [each.cpu_seconds for each in reports],
                [each.terms["loss"] for each in reports],
                [each.iteration for each in reports],
            )
        )
    return curves
