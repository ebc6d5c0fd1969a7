"""A car as a kinematic single track: a world model without learning, for 1000 candidates in a millisecond.

Source: Kong et al. 2015, sec. II, with the reference point on the rear axle. Speeds are integrated by the
trapezoid and positions along the mean heading of a step, which is of second order. All steps of a rollout
are sums along the horizon, so that no loop runs over them.
"""

from collections.abc import Mapping

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
        actions = checked_actions(self.card, actions, "NH")
        dt = np.float32(self.config.control_dt_s)
        wanted = latent["speed"] + np.cumsum(actions[..., 0] * dt, axis=1)  # (N, H)
        reached = wanted - np.minimum(np.minimum.accumulate(wanted, axis=1), 0)  # stops at 0, to the bit
        before = np.concatenate(
            [np.broadcast_to(latent["speed"], (len(actions), 1)), reached[:, :-1]], axis=1
        )
        way = (before + reached) * (dt / 2)
        turn = way * np.tan(actions[..., 1]) / np.float32(self.config.wheelbase_m)
        heading = latent["heading"] + np.cumsum(turn, axis=1)
        mean_heading = heading - turn / 2
        position = np.empty((*way.shape, 2), np.float32)
        np.cumsum(way * np.cos(mean_heading), axis=1, out=position[..., 0])
        np.cumsum(way * np.sin(mean_heading), axis=1, out=position[..., 1])
        position += latent["position"][:, None]
        states: dict[str, NDArray[np.float32]] = {
            "position": position,
            "heading": heading[..., None],
            "speed": reached[..., None],
        }
        return Rollout(latents=states, states=states)
