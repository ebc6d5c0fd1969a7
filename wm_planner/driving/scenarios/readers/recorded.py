"""What readers of recorded drives share: numbers for names, the time step, boxes, and a goal."""

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.geometry.shapes import Circle
from wm_planner.driving.scenarios.readers.limits import (
    ANGLES,
    MAX_NUMBER,
    SPEEDS,
    STEPS_S,
)
from wm_planner.driving.scenarios.scenario import Goal, PlanningProblem, Start
from wm_planner.driving.scenarios.tracks import Tracks
from wm_planner.errors import ScenarioError

SIZES = {
    "car": (4.6, 1.9),
    "bus": (12.0, 2.9),
    "truck": (8.0, 2.5),
    "motorcycle": (2.2, 0.8),
    "bicycle": (1.8, 0.7),
    "pedestrian": (0.7, 0.7),
    "unknown": (1.0, 1.0),
}
"""Length and width [m] of boxes where the source gives none."""

GOAL_RADIUS = 3.0  # m around where a recorded drive ends
_JITTER = 0.2  # of a step


class Numbers:
    """Numbers for names; names that are numbers keep them where they can, and no two things share one."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._free = itertools.count(1)

    def __call__(self, name: object) -> int:
        """A number for a thing that had none."""
        wanted = int(str(name)) if str(name).isdecimal() and len(str(name)) < 18 else 0
        if wanted < 1 or wanted in self._taken:
            wanted = next(n for n in self._free if n not in self._taken)
        self._taken.add(wanted)
        return wanted


def constant_step(times: ArrayLike, where: str) -> float:
    """The step of times [s] that go on evenly, to the millisecond.

    Raises:
        ScenarioError: if one lies a fifth of a step or more off.
    """
    times = np.asarray(times, np.float64)
    if times.ndim != 1 or len(times) < 2 or not np.isfinite(times).all():
        raise ScenarioError(f"{where}: times have shape {times.shape}, wanted 2 or more finite seconds")
    dt = float(times[-1] - times[0]) / (len(times) - 1)
    off = np.abs(times - times[0] - dt * np.arange(len(times)))
    shortest, longest = STEPS_S
    if not shortest <= dt <= longest:
        raise ScenarioError(
            f"{where}: {len(times)} times go from {times[0]:g} s to {times[-1]:g} s, wanted rising ones with "
            f"steps of {shortest:g} to {longest:g} s"
        )
    if off.max() > _JITTER * dt:
        worst = int(off.argmax())
        raise ScenarioError(
            f"{where}: the time step is not constant: time {worst} lies {off[worst]:.3g} s off "
            f"steps of {dt:.3g} s; resample the recording"
        )
    return round(dt, 3)


def seen(
    states: NDArray[np.float64], valid: NDArray[np.bool_], who: str, notes: list[str]
) -> NDArray[np.bool_]:
    """Where states (T, 4) are valid and can be; a note where they cannot."""
    most = np.array([MAX_NUMBER, MAX_NUMBER, ANGLES[1], SPEEDS[1]])
    fine = (np.abs(np.nan_to_num(states, nan=np.inf)) <= most).all(axis=-1)
    if (valid & ~fine).any():
        notes.append(f"{who}: {int((valid & ~fine).sum())} states are not finite or absurd: not seen then")
    return valid & fine


def states_of(
    position: NDArray[np.float64], yaw: NDArray[np.float64], velocity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """States (T, 4) from positions (T, 2), yaws (T,) and velocities (T, 2) in the map's frame."""
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is dropped afterwards
        v = velocity[:, 0] * np.cos(yaw) + velocity[:, 1] * np.sin(yaw)
    return np.stack([position[:, 0], position[:, 1], yaw, v], axis=-1)


def goal_of_drive(ego: Tracks, number: int, notes: list[str]) -> PlanningProblem:
    """Get from where a recorded drive begins to where it ends, within its time."""
    steps = np.flatnonzero(ego.valid[0])
    first, last = ego.states[0, steps[0]], ego.states[0, steps[-1]]
    notes.append(f"the goal is where the recorded drive ends, {GOAL_RADIUS:g} m around")
    x, y, yaw, v = first.tolist()
    start = Start(x, y, yaw, v, step=int(steps[0]))
    goal = Goal((int(steps[0]), int(steps[-1])), (Circle(last[:2], GOAL_RADIUS),))
    return PlanningProblem(number, start, (goal,))
