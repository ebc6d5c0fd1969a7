"""Goals from picture files, which a launch file lists."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner import share
from wm_planner.config import Config, Count
from wm_planner.contracts.task import Goal
from wm_planner.errors import ConfigError


class GoalFile(Config, frozen=True, kw_only=True):
    """One goal of a sequence.

    Attributes:
        images: camera to the path of its picture.
        steps: control steps for which it is pursued; 0 for no limit, for the last one.
    """

    images: dict[str, str]
    steps: Count = 0


def check_goals(goals: Sequence[GoalFile], cameras: Sequence[str], where: str) -> None:
    """Check that files and cameras exist, and that every goal but the last has steps.

    Raises:
        ConfigError: for another set of cameras, or a goal that would never end.
        PluginError: if a file does not exist.
    """
    for at, goal in enumerate(goals):
        if set(goal.images) != set(cameras):
            raise ConfigError(
                f"{where}[{at}].images has {', '.join(goal.images) or 'no camera'}, the model reads "
                f"{', '.join(cameras) or 'none'}: wanted one picture per camera"
            )
        if not goal.steps and at + 1 < len(goals):
            raise ConfigError(f"{where}[{at}] has no steps, so the goals after it would never be pursued")
        for path in goal.images.values():
            share.find(path)


def read_goals(goals: Sequence[GoalFile]) -> Goal:
    """The last of `goals`, with the others before it.

    Raises:
        ConfigError: if a file is no picture.
    """
    *before, last = (
        Goal({name: _picture(share.find(path)) for name, path in goal.images.items()}, steps=goal.steps)
        for goal in goals
    )
    return Goal(last.images, steps=last.steps, before=tuple(before))


def _picture(path: Path) -> NDArray[np.uint8]:
    """The RGB picture (H, W, 3) of a file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ConfigError(f"{path} is no picture ({error}): wanted a PNG or JPEG file") from None
