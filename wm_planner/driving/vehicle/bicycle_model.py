"""A kinematic single-track car as an analytic world model: 1000 candidates per millisecond.

It shares its equations in single_track.py with the vehicles of `driving/vehicle/vehicle.py`.
"""

from collections.abc import Mapping

import numpy as np

from wm_planner import config
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import ActionSpec, Card, LatentSpec, ObservationSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.driving.vehicle.single_track import integrate_motion
from wm_planner.errors import ShapeError
from wm_planner.world_models.onnx.inputs import checked_actions

_STATES = {"position": (2, "m"), "heading": (1, "rad"), "speed": (1, "m/s")}


class BicycleModel:
    """Rolls out accelerations and steering angles; its latent is position, heading and speed.

    The car does not reverse: braking ends at standstill. The heading is not wrapped.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Parameters of the car.

        Attributes:
            wheelbase_m: distance between the axles, in m.
            control_dt_s: step duration, in s.
            acceleration: lower (braking, below 0) and upper bound, in m/s^2.
            steering: maximum angle of the front wheel, in rad.
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
        """Advance N states by one step."""
        states = self.rollout(latent, np.asarray(action)[:, None]).states
        return {name: values[:, 0] for name, values in states.items()}, {}

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Roll out `actions` (N, H, 2) from one state (1, ...) or N states (N, ...)."""
        acceleration, steering = np.ascontiguousarray(
            checked_actions(self.card, actions, "NH").transpose(2, 1, 0)
        )  # (H, N) each
        moved = integrate_motion(
            latent["position"].T,
            latent["heading"][:, 0],
            latent["speed"][:, 0],
            acceleration,
            np.tan(steering) * np.float32(1 / self.config.wheelbase_m),
            self.config.control_dt_s,
        )
        states = {
            "position": moved.position.transpose(2, 0, 1),
            "heading": moved.heading.T[..., None],
            "speed": moved.speed.T[..., None],
        }
        return Rollout(latents=states, states=states)
