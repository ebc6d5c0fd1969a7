"""Car following and lane changes of other traffic, for many agents in many rollouts at once."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner import config
from wm_planner.driving.geometry.checks import checked

Floats = NDArray[np.float64]

_LEAST = 1e-3  # gap in m and speed in m/s, so that none divides by zero


class IDM(config.Config, frozen=True, kw_only=True):
    """The intelligent driver model, with the constants of nuPlan's reactive agents.

    Source: Treiber et al. 2000. tuplan_garage's PDM drives with exponent 10 and acceleration 1.5, braking 3.

    Attributes:
        speed: wanted where nobody is ahead, in m/s.
        gap: to the leader at a standstill, in m.
        headway: time to the leader, in s.
        acceleration: largest, in m/s^2.
        braking: comfortable, above 0, in m/s^2.
        exponent: how late acceleration falls as speed nears the wanted one.
        hardest_braking: above 0, in m/s^2.
    """

    speed: float = 10.0
    gap: float = 1.0
    headway: float = 1.5
    acceleration: float = 1.0
    braking: float = 2.0
    exponent: float = 4.0
    hardest_braking: float = 9.0

    def accelerations(
        self,
        speed: ArrayLike,
        gap: ArrayLike,
        leader_speed: ArrayLike,
        desired_speed: ArrayLike | None = None,
    ) -> Floats:
        """What drivers do, (...), in m/s^2.

        Args:
            speed: (...), in m/s.
            gap: bumper to bumper, (...), in m; infinite where nobody is ahead.
            leader_speed: (...), in m/s; any finite number where nobody is.
            wanted: speeds (...) in place of `speed` of this model, such as limits, in m/s.
        """
        v, ahead = np.asarray(speed, np.float64), np.asarray(leader_speed, np.float64)
        free = np.maximum(
            np.asarray(self.speed if desired_speed is None else desired_speed, np.float64), _LEAST
        )
        approach = v * (v - ahead) / (2 * np.sqrt(self.acceleration * self.braking))
        desired = self.gap + np.maximum(v * self.headway + approach, 0.0)
        closeness = desired / np.maximum(np.asarray(gap, np.float64), _LEAST)
        eager = 1 - (v / free) ** self.exponent - closeness**2
        return np.asarray(np.clip(self.acceleration * eager, -self.hardest_braking, self.acceleration))


class MOBIL(config.Config, frozen=True, kw_only=True):
    """Whether a lane change pays, for the driver and, by politeness, for those behind.

    Source: Kesting et al. 2007.

    Attributes:
        politeness: weight of what others gain or lose, from 0.
        threshold: least gain, in m/s^2.
        safe_braking: the most that the new follower may have to brake, above 0, in m/s^2.
        bias: gain of the target lane for its own sake, such as keeping right, in m/s^2.
    """

    politeness: float = 0.2
    threshold: float = 0.2
    safe_braking: float = 4.0
    bias: float = 0.0

    def should_change(
        self,
        own: tuple[ArrayLike, ArrayLike],
        new_follower: tuple[ArrayLike, ArrayLike],
        old_follower: tuple[ArrayLike, ArrayLike],
    ) -> NDArray[np.bool_]:
        """Who should change, (...).

        Args:
            own: accelerations now and after the change, (...) each, in m/s^2.
            new_follower: of the car that would be behind; twice the same where there is none.
            old_follower: of the car that is behind.
        """
        gains = [np.asarray(after) - np.asarray(now) for now, after in (own, new_follower, old_follower)]
        safe = np.asarray(new_follower[1]) >= -self.safe_braking
        total = gains[0] + self.politeness * (gains[1] + gains[2]) + self.bias
        return np.asarray(safe & (total > self.threshold))


def leader_gaps(path: ArrayLike, s: ArrayLike, speed: ArrayLike, length: ArrayLike) -> tuple[Floats, Floats]:
    """The gap to the next agent on the same path, and its speed, (..., A) each.

    Args:
        path: which path each agent is on, (..., A), any numbers.
        s: arc length of its centre along the path, (..., A), in m; NaN where it is absent.
        speed: (..., A), in m/s.
        length: (..., A), in m.

    Returns:
        Gaps in m, infinite where nobody is ahead, below 0 in an overlap; and leaders' speeds, 0 there.
    """
    at, v = checked(s, "s", None), np.broadcast_to(speed, np.shape(s))
    paths, half = np.broadcast_to(path, at.shape), np.broadcast_to(length, at.shape) / 2
    order = np.lexsort((at, paths), axis=-1)  # NaN comes last on its path
    where, on, velocity, extent = (np.take_along_axis(a, order, axis=-1) for a in (at, paths, v, half))
    follows = (on[..., 1:] == on[..., :-1]) & np.isfinite(where[..., 1:])
    gap = np.full(at.shape, np.inf)
    ahead = np.zeros(at.shape)
    free = where[..., 1:] - extent[..., 1:] - where[..., :-1] - extent[..., :-1]
    np.put_along_axis(gap, order[..., :-1], np.where(follows, free, np.inf), axis=-1)
    np.put_along_axis(ahead, order[..., :-1], np.where(follows, velocity[..., 1:], 0.0), axis=-1)
    return gap, ahead


def advance(s: ArrayLike, speed: ArrayLike, acceleration: ArrayLike, dt: float) -> tuple[Floats, Floats]:
    """Arc length and speed after `dt` s of constant acceleration, (...) each; who comes to a stop stays."""
    v, a = np.asarray(speed, np.float64), np.asarray(acceleration, np.float64)
    after = np.maximum(v + a * dt, 0.0)
    stops = (v + a * dt < 0) & (a < 0)
    way = np.where(stops, -0.5 * v * v / np.where(stops, a, -1.0), 0.5 * (v + after) * dt)
    return np.asarray(s + way), after
