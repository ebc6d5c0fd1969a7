"""Shared by readers of recorded drives: ids, the time step, box sizes, plausible states, and a problem."""

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.driving.scenarios.readers.limits import (
    ANGLES,
    MAX_NUMBER,
    SPEEDS,
    STEPS_S,
)
from wm_planner.driving.scenarios.scenario import GOAL_RADIUS_M, PlanningProblem, recorded_problem
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
"""Default length and width in m, by kind, for sources without sizes."""

_JITTER = 0.2  # tolerated deviation from a constant time step, as a fraction of the step


class IdAllocator:
    """Assigns unique integer ids to names; a name that is an integer keeps it if it is still free."""

    def __init__(self) -> None:
        self._used: set[int] = set()
        self._counter = itertools.count(1)

    def allocate(self, name: object) -> int:
        """A new id for a name."""
        identity = int(str(name)) if str(name).isdecimal() and len(str(name)) < 18 else 0
        if identity < 1 or identity in self._used:
            identity = next(n for n in self._counter if n not in self._used)
        self._used.add(identity)
        return identity


def constant_time_step(times: ArrayLike, where: str) -> float:
    """The constant step of time stamps in s, rounded to the millisecond.

    Args:
        where: location of the time stamps, for errors.

    Raises:
        ScenarioError: if a time stamp deviates by more than a fifth of a step.
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


def plausible_states(
    states: NDArray[np.float64], valid: NDArray[np.bool_], name: str, notes: list[str]
) -> NDArray[np.bool_]:
    """Validity (T,) of states (T, 4) without implausible values, which are noted."""
    limits = np.array([MAX_NUMBER, MAX_NUMBER, ANGLES[1], SPEEDS[1]])
    plausible = (np.abs(np.nan_to_num(states, nan=np.inf)) <= limits).all(axis=-1)
    if (valid & ~plausible).any():
        count = int((valid & ~plausible).sum())
        notes.append(f"{name}: {count} states are not finite or not plausible: treated as absent")
    return valid & plausible


def states_from_velocity(
    position: NDArray[np.float64], yaw: NDArray[np.float64], velocity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """States (T, 4) from positions (T, 2), yaws (T,) and velocities (T, 2) in the map frame."""
    with np.errstate(invalid="ignore", over="ignore"):  # non-finite states are dropped afterwards
        v = velocity[:, 0] * np.cos(yaw) + velocity[:, 1] * np.sin(yaw)
    return np.stack([position[:, 0], position[:, 1], yaw, v], axis=-1)


def problem_from_recording(ego: Tracks, identity: int, notes: list[str]) -> PlanningProblem:
    """The problem to drive from the start to the end of a recorded ego trajectory, with a note."""
    notes.append(f"the goal is the end of the recorded drive, within {GOAL_RADIUS_M:g} m")
    return recorded_problem(ego, identity)
