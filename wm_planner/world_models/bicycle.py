"""A car as a kinematic single track: a world model without learning, for 1000 candidates in a millisecond.

Source: Kong et al. 2015, sec. II, with the reference point on the rear axle. Speeds are integrated by the
trapezoid and positions along the mean heading of a step, which is of second order. Inside, candidates are
the last axis, and only sums run along the horizon: that is what makes it quick.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.costs.base import Array, Latent, Rollout
from wm_planner.errors import ShapeError
from wm_planner.world_models.base import Observation
from wm_planner.world_models.card import ActionSpec, Card, LatentSpec, ObservationSpec, Quantity
from wm_planner.world_models.feed import checked_actions

_STATES = {"position": (2, "m"), "heading": (1, "rad"), "speed": (1, "m/s")}


class BicycleModel:
    """Rolls candidates of acceleration and steering angle out; its latent is position, heading and speed.

    The car does not go backwards: braking ends at a standstill. The heading is not wrapped.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The car.

        Attributes:
            wheelbase_m: between the axles, in m.
            control_dt_s: of one step, in s.
            acceleration: hardest braking (below 0) and acceleration, in m/s^2.
            steering: largest angle of the front wheel, in rad.
        """

        wheelbase_m: float = 2.7
        control_dt_s: float = 0.1
        acceleration: tuple[float, float] = (-6.0, 3.0)
        steering: float = 0.5

    def __init__(self, config: Config) -> None:
        self.config = config
        brake, accelerate = config.acceleration
        self.card = Card(
            name="bicycle",
            family="bicycle",
            about="a kinematic single track",
            observation=ObservationSpec(
                state=tuple(Quantity(name=name, size=k, unit=unit) for name, (k, unit) in _STATES.items())
            ),
            action=ActionSpec(
                names=("acceleration", "steering"),
                units=("m/s^2", "rad"),
                low=(brake, -config.steering),
                high=(accelerate, config.steering),
            ),
            control_dt_s=config.control_dt_s,
            latents=tuple(
                LatentSpec(name=name, shape=(k,), unit=unit) for name, (k, unit) in _STATES.items()
            ),
            max_candidates=4096,
        )

    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        """The latent of a state.

        Raises:
            ShapeError: if position, heading or speed is missing.
        """
        missing = sorted(set(_STATES) - set(observation.state))
        if missing:
            raise ShapeError(f"the bicycle needs the state's {missing}; it got {sorted(observation.state)}")
        return {
            name: np.asarray(observation.state[name], np.float32).reshape(1, size)
            for name, (size, _) in _STATES.items()
        }

    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """One step of N states."""
        states = self.rollout(latent, np.asarray(action)[:, None]).states
        return {name: values[:, 0] for name, values in states.items()}, {}

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine `actions` (N, H, 2) from one state (1, ...), or N of them."""
        acceleration, steering = np.ascontiguousarray(
            checked_actions(self.card, actions, "NH").transpose(2, 1, 0)
        )  # (H, N) each
        dt = np.float32(self.config.control_dt_s)
        speed = _braked(_summed(acceleration * dt, latent["speed"][:, 0]))
        mean_speed = speed.copy()
        mean_speed[0] += latent["speed"][:, 0]
        mean_speed[1:] += speed[:-1]
        way = mean_speed * (dt / 2)
        turn = way * np.tan(steering) * np.float32(1 / self.config.wheelbase_m)
        heading = _summed(turn.copy(), latent["heading"][:, 0])
        mean_heading = heading - turn / 2
        ways = np.stack([way * np.cos(mean_heading), way * np.sin(mean_heading)], axis=1)  # (H, 2, N)
        position = _summed(ways, latent["position"].T)
        states: dict[str, NDArray[np.float32]] = {
            "position": position.transpose(2, 0, 1),
            "heading": heading.T[..., None],
            "speed": speed.T[..., None],
        }
        return Rollout(latents=states, states=states)


def _summed(steps: NDArray[np.float32], start: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sums along the first axis of (H, ...), in place, from `start`."""
    for step in steps:
        np.add(step, start, out=step)
        start = step
    return steps


def _braked(speed: NDArray[np.float32]) -> NDArray[np.float32]:
    """Speeds (H, N) where a standstill ends the braking, of speeds that go on below 0.

    What was braked too much, the lowest so far, is added back: Lindley 1952, for queues.
    """
    lowest = np.minimum(speed, 0)
    for before, now in pairwise(lowest):
        np.minimum(before, now, out=now)
    braked: NDArray[np.float32] = speed - lowest
    return braked
