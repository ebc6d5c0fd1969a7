"""Car-following (IDM) and lane-change (MOBIL) models, vectorized over agents and rollouts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner import config
from wm_planner.driving.geometry.checks import checked

Floats = NDArray[np.float64]

_EPSILON = 1e-3  # least gap in m and least desired speed in m/s, against division by zero


class IDM(config.Config, frozen=True, kw_only=True):
    """The intelligent driver model (IDM), with the parameters of nuPlan's reactive agents.

    Source: Treiber et al. 2000. tuplan_garage's PDM uses exponent 10, acceleration 1.5 and braking 3.

    Attributes:
        speed: desired speed on a free road, in m/s.
        gap: minimum gap to the leader at standstill, in m.
        headway: desired time headway to the leader, in s.
        acceleration: maximum acceleration, in m/s^2.
        braking: comfortable deceleration, above 0, in m/s^2.
        exponent: acceleration exponent; higher values keep accelerating closer to the desired speed.
        hardest_braking: maximum deceleration, above 0, in m/s^2.
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
        """IDM accelerations (...), in m/s^2.

        Args:
            speed: (...), in m/s.
            gap: bumper to bumper, (...), in m; infinite without a leader.
            leader_speed: (...), in m/s; any finite value without a leader.
            desired_speed: (...), in m/s, such as speed limits; None for `self.speed`.
        """
        v, ahead = np.asarray(speed, np.float64), np.asarray(leader_speed, np.float64)
        free = np.maximum(
            np.asarray(self.speed if desired_speed is None else desired_speed, np.float64), _EPSILON
        )
        approach = v * (v - ahead) / (2 * np.sqrt(self.acceleration * self.braking))
        desired = self.gap + np.maximum(v * self.headway + approach, 0.0)
        closeness = desired / np.maximum(np.asarray(gap, np.float64), _EPSILON)
        factor = 1 - (v / free) ** self.exponent - closeness**2
        return np.asarray(np.clip(self.acceleration * factor, -self.hardest_braking, self.acceleration))


class MOBIL(config.Config, frozen=True, kw_only=True):
    """The MOBIL lane-change model: change if the gain in acceleration outweighs the loss of the followers.

    Source: Kesting et al. 2007.

    Attributes:
        politeness: weight of the followers' gain or loss, at least 0.
        threshold: minimum gain for a change, in m/s^2.
        safe_braking: maximum deceleration imposed on the new follower, above 0, in m/s^2.
        bias: gain added for the target lane, such as for keeping right, in m/s^2.
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
        """Whether to change lanes, (...).

        Args:
            own: accelerations of the driver before and after the change, (...) each, in m/s^2.
            new_follower: the same for the follower in the target lane; twice the same value without one.
            old_follower: the same for the follower in the current lane.
        """
        gains = [np.asarray(after) - np.asarray(now) for now, after in (own, new_follower, old_follower)]
        safe = np.asarray(new_follower[1]) >= -self.safe_braking
        total = gains[0] + self.politeness * (gains[1] + gains[2]) + self.bias
        return np.asarray(safe & (total > self.threshold))


def leader_gaps(path: ArrayLike, s: ArrayLike, speed: ArrayLike, length: ArrayLike) -> tuple[Floats, Floats]:
    """The gap to the next agent ahead on the same path, and its speed, (..., A) each.

    Args:
        path: index of each agent's path, (..., A).
        s: arc length of the agent's centre along its path, (..., A), in m; NaN where absent.
        speed: (..., A), in m/s.
        length: (..., A), in m.

    Returns:
        Gaps in m, infinite without a leader and below 0 in an overlap, and the leaders' speeds in m/s, 0
        without a leader.
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
    """Arc length and speed after `dt` s of constant acceleration, (...) each; a stopped vehicle stays put."""
    v, a = np.asarray(speed, np.float64), np.asarray(acceleration, np.float64)
    after = np.maximum(v + a * dt, 0.0)
    stops = (v + a * dt < 0) & (a < 0)
    distance = np.where(stops, -0.5 * v * v / np.where(stops, a, -1.0), 0.5 * (v + after) * dt)
    return np.asarray(s + distance), after
