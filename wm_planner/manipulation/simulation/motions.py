"""Motions that explore a scene: of a tool point, of a tool point with a gripper, and of bare actuators."""

from typing import Protocol

import numpy as np

from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.kinematics import Floats
from wm_planner.simulation.arm_simulator import ArmSimulator


class Motion(Protocol):
    """Gives the actions of one exploratory episode."""

    def action(self, tcp: Floats) -> Floats:
        """The next action (A,) with the tool point at `tcp`, (3,) in m; NaN for a robot without one."""
        ...


class Wander:
    """Smooth random motion: a first-order autoregressive process with a random speed per episode.

    At the border of the workspace it is reflected most of the time.
    """

    def __init__(self, simulator: ArmSimulator, arm: EndEffectorDelta, rng: np.random.Generator) -> None:
        self._control, self._rng = arm, rng
        self._limit = np.asarray(simulator.scene.action.high[:3])
        self._memory, self._scale = rng.uniform(0.6, 0.95), rng.uniform(0.4, 1.0)
        self._noise = rng.standard_normal(len(self._limit))

    def action(self, tcp: Floats) -> Floats:
        """The next displacement (3,) in m of a tool point at `tcp` (3,)."""
        fresh = self._rng.standard_normal(len(self._limit))
        self._noise = self._memory * self._noise + np.sqrt(1 - self._memory**2) * fresh
        action = np.clip(self._scale * self._noise, -1, 1) * self._limit
        leaves = (tcp + action < self._control.low) | (tcp + action > self._control.high)
        reflected = leaves & (self._rng.random(len(leaves)) < 0.7)
        self._noise = np.where(reflected, -self._noise, self._noise)
        return np.asarray(np.where(reflected, -action, action))


class Seek:
    """Noisy straight motion to a series of random positions.

    It runs into obstacles and keeps pushing, so that a model can learn what blocks the arm.
    """

    def __init__(self, simulator: ArmSimulator, arm: EndEffectorDelta, rng: np.random.Generator) -> None:
        self._scene, self._rng = simulator.scene, rng
        self._limit = np.asarray(simulator.scene.action.high[:3])
        self._left = 0

    def action(self, tcp: Floats) -> Floats:
        """The next displacement (3,) in m of a tool point at `tcp` (3,)."""
        if not self._left:
            target, self._left = self._scene.explore(self._rng).tcp, int(self._rng.integers(4, 13))
            assert target is not None  # the scene has an arm
            self._target = target
            self._pace = self._rng.uniform(0.4, 1.0)
        self._left -= 1
        noise = 0.3 * self._rng.standard_normal(len(self._limit)) * self._limit
        return np.asarray(np.clip(self._pace * (self._target - tcp) + noise, -self._limit, self._limit))


class RandomOpening:
    """A motion of the tool point, and a gripper that opens and closes at random times."""

    def __init__(self, motion: Motion, rng: np.random.Generator) -> None:
        self._motion, self._rng = motion, rng
        self._opening, self._left = 1.0, int(rng.integers(3, 15))

    def action(self, tcp: Floats) -> Floats:
        """The next displacement in m and opening in 0..1, (4,)."""
        if not self._left:
            self._opening = float(self._rng.choice((0.0, 1.0, self._rng.random())))
            self._left = int(self._rng.integers(3, 15))
        self._left -= 1
        return np.append(self._motion.action(tcp), self._opening)


class Grasp:
    """Noisy motion down to the scene's point, where the gripper closes, then up to a random position.

    A part of the attempts misses, so that a model also learns what a failed grasp looks like.
    """

    CLOSING = 4  # steps

    def __init__(self, simulator: ArmSimulator, rng: np.random.Generator) -> None:
        self._simulator, self._rng = simulator, rng
        self._limit = np.asarray(simulator.scene.action.high[:3])
        self._offset = rng.normal(0.0, 0.01, 3)
        self._lifted: Floats | None = None
        self._closed = 0

    def action(self, tcp: Floats) -> Floats:
        """The next displacement in m and opening in 0..1, (4,)."""
        noise = 0.15 * self._rng.standard_normal(3) * self._limit
        if self._lifted is not None:
            return np.append(np.clip(self._lifted - tcp + noise, -self._limit, self._limit), 0.0)
        error = self._simulator.point + self._offset - tcp
        if np.abs(error).max() < self._limit.max() / 2 or self._closed:
            self._closed += 1
            if self._closed == self.CLOSING:
                self._lifted = self._simulator.scene.explore(self._rng).tcp
            return np.append(0.2 * noise, 0.0)
        if np.abs(error[:2]).max() > self._limit.max():
            error[2] = max(error[2], 0.0)  # descend only above the point
        return np.append(np.clip(error + noise, -self._limit, self._limit), 1.0)


class RandomTargets:
    """Random targets of bare actuators: smooth ones, or extremes that are held for a few steps."""

    def __init__(self, simulator: ArmSimulator, rng: np.random.Generator) -> None:
        action = simulator.scene.action
        self._low, self._high, self._rng = np.asarray(action.low), np.asarray(action.high), rng
        self._smooth = bool(rng.integers(2))
        self._memory, self._scale = rng.uniform(0.6, 0.95), rng.uniform(0.3, 1.0)
        self._noise = rng.standard_normal(len(self._low))
        self._left = 0

    def action(self, tcp: Floats) -> Floats:
        """The next targets, (A,)."""
        middle, half = (self._low + self._high) / 2, (self._high - self._low) / 2
        if self._smooth:
            fresh = self._rng.standard_normal(len(self._low))
            self._noise = self._memory * self._noise + np.sqrt(1 - self._memory**2) * fresh
        elif not self._left:
            self._noise = self._rng.choice((-1.0, 0.0, 1.0), size=len(self._low))
            self._left = int(self._rng.integers(2, 12))
        self._left = max(self._left - 1, 0)
        return np.asarray(middle + self._scale * np.clip(self._noise, -1, 1) * half)
