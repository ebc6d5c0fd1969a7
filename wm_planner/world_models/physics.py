"""MuJoCo itself as a world model: the planner imagines with the true physics.

Source: the batched, threaded `mujoco.rollout`, one control period a call.
"""

import copy
from collections.abc import Mapping
from typing import Protocol

import mujoco
import numpy as np
from mujoco.rollout import Rollout as BatchedRollout
from numpy.typing import NDArray

from wm_planner.costs.base import Array, Latent, Rollout
from wm_planner.errors import ShapeError
from wm_planner.world_models.base import Observation
from wm_planner.world_models.card import ActionSpec, Card, LatentSpec, ObservationSpec, Quantity

Floats = NDArray[np.float64]


class Drive(Protocol):
    """How an action moves a robot; see `control/`."""

    def position(self, q: Floats) -> Floats:
        """Tool point (..., 3) in m of posture `q` (..., J)."""
        ...

    def controls(self, q: Floats, start: Floats, action: Floats, substeps: int) -> Floats:
        """Actuator targets (..., substeps, J) of one control period."""
        ...


class PhysicsModel:
    """Rolls candidates out in MuJoCo; its latent is the simulator's state.

    Args:
        model: of the scene; it is copied and its time step changed.
        drive: turns actions into actuator targets.
        timestep: of the integration, s; coarser is faster.
        threads: that roll out side by side; never more than cores.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        drive: Drive,
        action: ActionSpec,
        control_dt_s: float,
        timestep: float = 0.004,
        threads: int = 1,
    ) -> None:
        self._model = copy.copy(model)
        self._model.opt.timestep = timestep
        self._drive = drive
        self._substeps = round(control_dt_s / timestep)
        self._rollout = BatchedRollout(nthread=threads)
        self._data = [mujoco.MjData(self._model) for _ in range(threads)]
        size = mujoco.mj_stateSize(self._model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        controls = self._model.nu
        self.card = Card(
            name=f"physics of {self._model.opt.timestep * 1000:g} ms",
            family="physics",
            about="MuJoCo itself, from the simulator's true state",
            observation=ObservationSpec(
                state=(
                    Quantity(name="physics", size=size, unit="MuJoCo"),
                    Quantity(name="control", size=controls, unit="rad"),
                )
            ),
            action=action,
            control_dt_s=control_dt_s,
            latents=(
                LatentSpec(name="physics", shape=(size,), dtype="float64"),
                LatentSpec(name="control", shape=(controls,), dtype="float64"),
                LatentSpec(name="tcp_position", shape=(3,), dtype="float64", unit="m"),
            ),
        )

    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        """The latent of the true state, as `MujocoSimulator.truth` gives it.

        Raises:
            ShapeError: if the observation lacks it.
        """
        missing = {"physics", "control"} - set(observation.state)
        if missing:
            raise ShapeError(f"planning over physics needs the state's {sorted(missing)}; pass the truth")
        physics = np.asarray(observation.state["physics"])[None]
        return self._latent(physics, np.asarray(observation.state["control"])[None])

    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """One control period of physics for N states."""
        controls = self._drive.controls(
            self._posture(latent["physics"]), latent["control"], np.asarray(action, float), self._substeps
        )
        states, _ = self._rollout.rollout(self._model, self._data, latent["physics"], controls)
        return self._latent(states[:, -1], controls[:, -1]), {}

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine (N, H, A) actions from one state (1, ...), or N of them."""
        count, horizon = actions.shape[:2]
        current = {name: np.repeat(array, count // len(array), axis=0) for name, array in latent.items()}
        positions = np.empty((count, horizon, 3))
        for h in range(horizon):
            current = dict(self.step(current, actions[:, h])[0])
            positions[:, h] = current["tcp_position"]
        return Rollout(latents={}, states={"tcp_position": positions})

    def _posture(self, physics: Floats) -> Floats:
        return physics[:, 1 : 1 + self._model.nu]  # after the time come the joint positions

    def _latent(self, physics: Floats, control: Floats) -> dict[str, Floats]:
        position = self._drive.position(self._posture(physics))
        return {"physics": physics, "control": control, "tcp_position": position}
