"""Motion of joints at a fixed rate, within limits of position, velocity, acceleration and jerk.

A target is approached in the shortest time that the limits admit, by ruckig (Berscheid and Kroeger 2021,
"Jerk-limited Real-time Trajectory Generation with Arbitrary Target States"). Before every set-point, the
motion that would stop from it is known to be admissible; where it is not, the arm stops instead, by the
motion that was known at the set-point before. So an arm never enters a posture that is not admissible,
whatever targets it is given.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import ruckig

from wm_planner.control.kinematics import Floats
from wm_planner.control.motion_limits import MotionLimits
from wm_planner.errors import ShapeError

_ROUNDING = 1e-9  # rad or m, and per second or second squared: ruckig cannot start from 2.8e-17 m/s


class SetPoint(NamedTuple):
    """Where joints are to be, (J,) each, in rad or m and seconds."""

    position: Floats
    velocity: Floats
    acceleration: Floats


class JointMotion:
    """Set-points at a fixed rate towards targets that may change at any time.

    Attributes:
        blocked: the posture (J,) that was not entered on the way to the last target; None if none was.

    Args:
        limits: of the joints.
        period_s: time between two set-points.
        admits: whether a posture (J,) may be entered on a move that began in another one (J,).
    """

    def __init__(
        self,
        limits: MotionLimits,
        period_s: float,
        admits: Callable[[Floats, Floats], bool] = lambda q, start: True,
    ) -> None:
        self.limits, self.period_s, self._admits = limits, period_s, admits
        size = len(limits.low)
        self._solver, self._input = ruckig.Ruckig(size), ruckig.InputParameter(size)
        self._input.max_velocity = limits.velocity.tolist()
        self._input.max_acceleration = limits.acceleration.tolist()
        self._input.max_jerk = limits.jerk.tolist()
        self._move, self._stop = ruckig.Trajectory(size), ruckig.Trajectory(size)
        self._now: SetPoint | None = None
        self._at_s, self._stopped_s, self._moves, self._start = 0.0, 0.0, False, limits.low
        self.blocked: Floats | None = None

    @property
    def now(self) -> SetPoint | None:
        """The set-point of now; None before `rest`."""
        return self._now

    def rest(self, position: Floats) -> None:
        """Begin at rest in a posture (J,).

        Raises:
            ShapeError: if it is not finite or has another size.
        """
        if position.shape != self.limits.low.shape or not np.isfinite(position).all():
            raise ShapeError(
                f"the posture is {position.tolist()}, wanted {len(self.limits.low)} finite values"
            )
        none = np.zeros_like(position)
        self._now, self.blocked = SetPoint(position.copy(), none, none), None
        self._set_stop(self._now)

    def aim(self, target: Floats, duration_s: float = 0.0) -> None:
        """Move to a target (J,), and be there at rest after `duration_s` or as soon as possible.

        Components that are not finite, and those beyond the limits, are brought to what is nearest.
        """
        now = self._begun()
        wanted = np.where(np.isfinite(target), target, now.position)
        wanted = np.clip(wanted, self.limits.low, self.limits.high)
        self._state(now, ruckig.ControlInterface.Position)
        self._input.target_position = wanted.tolist()
        self._input.minimum_duration = duration_s or None
        self._moves = self._solved(self._move)
        self._at_s, self._start, self.blocked = 0.0, now.position, None

    def stop(self) -> None:
        """Come to rest as soon as possible."""
        self._moves = False

    def advance(self) -> SetPoint:
        """The next set-point."""
        now = self._begun()
        if self._moves:
            after = _at(self._move, self._at_s + self.period_s)
            self.blocked = self._first_refused(after)
            if self.blocked is None:
                self._at_s += self.period_s
                self._now = after
                return after
            self._moves = False
            self._set_stop(now)
        self._stopped_s += self.period_s
        self._now = _at(self._stop, self._stopped_s)
        return self._now

    def after(self, duration_s: float) -> SetPoint:
        """The set-point in `duration_s`, if no other target comes until then."""
        kept = self._now, self._at_s, self._moves, self._stop, self._stopped_s, self.blocked
        self._stop = ruckig.Trajectory(len(self.limits.low))
        reached = self._begun()
        self._set_stop(reached)
        for _ in range(round(duration_s / self.period_s)):
            reached = self.advance()
        self._now, self._at_s, self._moves, self._stop, self._stopped_s, self.blocked = kept
        return reached

    def _begun(self) -> SetPoint:
        if self._now is None:
            raise ShapeError("the motion has no posture to begin from: call `rest` first")
        return self._now

    def _first_refused(self, after: SetPoint) -> Floats | None:
        """The first posture that is not admissible in the stop from a set-point; None if none is."""
        if not self._set_stop(after):
            return after.position
        steps = range(1 + math.ceil(self._stop.duration / self.period_s))
        postures = np.array([self._stop.at_time(step * self.period_s)[0] for step in steps])
        are_within = self._beyond(postures) <= max(float(self._beyond(self._start)), _ROUNDING)
        for q, is_within in zip(postures, are_within, strict=True):
            if not (is_within and self._admits(q, self._start)):
                return np.asarray(q)
        return None

    def _beyond(self, q: Floats) -> Floats:
        """How far postures (..., J) are beyond the bounds of a joint, (...); negative within them."""
        return np.asarray(np.maximum(self.limits.low - q, q - self.limits.high).max(axis=-1))

    def _set_stop(self, start: SetPoint) -> bool:
        """Have the motion that stops from a set-point; False if none is found."""
        self._state(start, ruckig.ControlInterface.Velocity)
        self._input.synchronization = ruckig.Synchronization.No
        self._stopped_s = 0.0
        return self._solved(self._stop)

    def _state(self, start: SetPoint, interface: ruckig.ControlInterface) -> None:
        self._input.control_interface = interface
        self._input.synchronization = ruckig.Synchronization.Time
        self._input.minimum_duration = None
        self._input.current_position = start.position.tolist()
        self._input.current_velocity = _rounded(start.velocity)
        self._input.current_acceleration = _rounded(start.acceleration)
        none = [0.0] * len(start.position)
        self._input.target_velocity = self._input.target_acceleration = none

    def _solved(self, trajectory: ruckig.Trajectory) -> bool:
        try:
            found = self._solver.calculate(self._input, trajectory)
        except ruckig.RuckigError:
            return False
        return found in (ruckig.Result.Working, ruckig.Result.Finished)


def _at(trajectory: ruckig.Trajectory, time_s: float) -> SetPoint:
    position, velocity, acceleration = trajectory.at_time(time_s)
    return SetPoint(np.array(position), np.array(velocity), np.array(acceleration))


def _rounded(rates: Floats) -> list[float]:
    return [0.0 if abs(rate) < _ROUNDING else rate for rate in rates.tolist()]
