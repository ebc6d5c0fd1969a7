"""MuJoCo as a world model: candidates are rolled out with the scene's physics, or with a simplified model.

Uses the batched, multithreaded `mujoco.rollout`. If the effect of an action does not depend on the posture,
one call covers the whole horizon; otherwise one call covers a control period, because an action is converted
to joint targets at the posture that the previous one led to.

Axes: N candidates, H steps, A action components, J joints, C values that are set from outside, T substeps per
call.
"""

import os
from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from mujoco.rollout import Rollout as BatchedRollout
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.config import Positive
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card, LatentSpec, ObservationSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.errors import ShapeError
from wm_planner.world_models.physics.divergence import keep_diverged, without_warnings
from wm_planner.world_models.physics.drives import Floats, JointDrives
from wm_planner.world_models.physics.planning_model import PlanningModel, compile_planning_model, sensor_of
from wm_planner.world_models.physics.plant import TRUTH, Plant, substeps

STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS.value
"""What the physics changes."""

CONTROL = sum(
    kind.value
    for kind in (
        mujoco.mjtState.mjSTATE_CTRL,
        mujoco.mjtState.mjSTATE_EQ_ACTIVE,
        mujoco.mjtState.mjSTATE_MOCAP_POS,
        mujoco.mjtState.mjSTATE_MOCAP_QUAT,
    )
)
"""What is set from outside: actuators, active equality constraints such as welds, poses of mocap bodies."""


class PhysicsModel:
    """A world model whose latent is the simulator's state and what is set from outside, see `CONTROL`.

    Args:
        config: simplifications of the physics, and threads.
        plant: the scene; its MJCF file is compiled again, with the simplifications.

    Raises:
        ConfigError: if the time step does not divide the control period, or a name does not exist.
        SimulationError: if the scene cannot be compiled.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The model used for planning.

        Attributes:
            planning_model: how it differs from the scene.
            threads: for parallel rollouts; at most one per core is used.
        """

        planning_model: PlanningModel = PlanningModel()
        threads: Positive = 1

    def __init__(self, config: Config, plant: Plant) -> None:
        self.config = config
        self.model = compile_planning_model(plant.model_file, config.planning_model, plant.points)
        self._control = plant.control(self.model)
        if config.planning_model.ik_iterations is not None:
            self._control = self._control.with_iterations(config.planning_model.ik_iterations)
        keep_diverged(self.model)
        is_changed = config.planning_model.timestep_s is not None
        setting = "planning_model.timestep_s" if is_changed else f"option timestep of {plant.model_file.name}"
        self._substeps = substeps(plant, self.model.opt.timestep, setting)
        self._drives = JointDrives.of(self.model, self._control.joints, self._control.kind)
        threads = min(config.threads, len(os.sched_getaffinity(0)))
        self._rollout = BatchedRollout(nthread=threads)
        self._data = [mujoco.MjData(self.model) for _ in range(threads)]
        self._joints = 1 + self.model.jnt_qposadr[_ids(self.model, self._control.joints)]  # time comes first
        self._points = {
            f"{point}_position": slice(adr, adr + 3)
            for point in plant.points
            for adr in [int(self.model.sensor(sensor_of(point)).adr[0])]
        }
        self.card = self._make_card(plant)

    def initial(self) -> dict[str, Floats]:
        """The states `physics` and `control` of the MJCF's initial configuration."""
        data, kinds = mujoco.MjData(self.model), zip(TRUTH, (STATE, CONTROL), strict=True)
        return {name: read_state(self.model, data, kind) for name, kind in kinds}

    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        """The latent of the true state, as returned by `MujocoSimulator.truth`.

        Raises:
            ShapeError: if the true state is missing, belongs to another scene, or is not finite.
        """
        latent = {}
        for quantity in self.card.observation.state:
            if quantity.name not in observation.state:
                raise ShapeError(
                    f"planning with physics needs '{quantity.name}' in the state; pass the simulator's truth"
                )
            latent[quantity.name] = np.asarray(observation.state[quantity.name], np.float64)[None]
            if latent[quantity.name].shape != (1, quantity.size):
                raise ShapeError(
                    f"{quantity.name} has shape {latent[quantity.name].shape[1:]}, {self.card.name} wants "
                    f"({quantity.size},): does the simulator run another scene?"
                )
            if not np.isfinite(latent[quantity.name]).all():
                raise ShapeError(
                    f"{quantity.name} has non-finite values: the physics diverged, reset the simulator"
                )
        return latent | self._point_positions(latent["physics"], latent["control"])

    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """Advance N states by one control period."""
        rollout = self.rollout(latent, np.asarray(action)[:, None])
        return {name: array[:, 0] for name, array in rollout.latents.items()}, {}

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Roll out `actions` (N, H, A) from one state (1, ...), or N of them; NaN after physics diverged."""
        actions = np.asarray(actions, np.float64)
        count, horizon = actions.shape[:2]
        now, held = (
            np.repeat(latent[name], count // len(latent[name]), axis=0) for name in ("physics", "control")
        )
        periods = 1 if self._control.depends_on_posture else horizon  # per call
        physics = np.empty((count, horizon, now.shape[1]))
        controls = np.empty((count, horizon, held.shape[1]))
        sensors = np.empty((count, horizon + 1, self.model.nsensordata))  # before each step, after the last
        for first in range(0, horizon, periods):
            part = slice(first, first + periods)
            applied = self._applied(now, held, actions[:, part])
            states, readings = self.simulate(now, applied)
            last = slice(self._substeps - 1, None, self._substeps)
            physics[:, part], controls[:, part] = states[:, last], applied[:, last]
            sensors[:, part] = readings[:, :: self._substeps]
            now, held = states[:, -1], applied[:, -1]
        sensors[:, -1] = self._sense(now, held)
        diverged = self._diverged(latent["physics"], physics, controls)
        physics[diverged] = sensors[:, 1:][diverged] = np.nan
        points = {name: sensors[:, 1:, columns] for name, columns in self._points.items()}
        return Rollout(latents={"physics": physics, "control": controls, **points}, states=points)

    def simulate(self, physics: Floats, controls: Floats) -> tuple[Floats, Floats]:
        """One plain MuJoCo rollout call.

        Args:
            physics: initial states, (N, size).
            controls: what is set at each substep, (N, T, C), see `CONTROL`.

        Returns:
            The states after every substep, (N, T, size), and the sensor readings before it, (N, T, k).
        """
        with without_warnings():
            states, readings = self._rollout.rollout(
                self.model, self._data, physics, controls, control_spec=CONTROL
            )
        return states, readings

    def _diverged(self, start: Floats, physics: Floats, controls: Floats) -> NDArray[np.bool_]:
        """Whether the simulation has diverged at the states `physics` (N, H, size) from `start`, (N, H).

        After a warning, MuJoCo repeats the state to the end of the call, so its time no longer advances.
        """
        period_s, horizon = self.card.control_dt_s, physics.shape[1]
        due_s = (
            start[:, :1] + period_s * np.arange(1, horizon + 1) - self.model.opt.timestep / 2
        )  # (1 or N, H)
        valid = physics[..., 0] > due_s
        valid &= (np.abs(physics) <= mujoco.mjMAXVAL).all(axis=-1)
        valid &= np.isfinite(controls).all(axis=-1)
        return ~np.logical_and.accumulate(valid, axis=1)

    def _applied(self, physics: Floats, held: Floats, actions: Floats) -> Floats:
        """What `actions` (N, periods, A) set at each substep, (N, T, C)."""
        q = np.take(physics, self._joints, axis=1)  # C order: the last bits depend on the memory layout
        ends = self._control.command(q[:, None], actions)  # (N, periods, J)
        starts = np.concatenate([self._drives.targets(held)[:, None], ends[:, :-1]], axis=1)
        targets = self._control.interpolate(starts, ends, self._substeps)  # (N, periods, substeps, J)
        return self._drives.control(targets.reshape(len(actions), -1, ends.shape[-1]), held[:, None])

    def _sense(self, physics: Floats, held: Floats) -> Floats:
        """Sensor readings in states (N, ...), taken from one step, which reads them before it integrates."""
        values: Floats = self.simulate(physics, held[:, None])[1][:, 0]
        return values

    def _point_positions(self, physics: Floats, held: Floats) -> dict[str, Floats]:
        """Positions of the scene's points in states (N, ...), (N, 3) in m."""
        readings = self._sense(physics, held)
        return {name: readings[:, columns] for name, columns in self._points.items()}

    def _make_card(self, plant: Plant) -> Card:
        sizes = {
            "physics": mujoco.mj_stateSize(self.model, STATE),
            "control": mujoco.mj_stateSize(self.model, CONTROL),
        }
        return Card(
            name=f"physics of {plant.name}",
            family="physics",
            about=f"MuJoCo's model of {plant.model_file.name}, {self.config.planning_model.summary}",
            observation=ObservationSpec(
                state=tuple(Quantity(name=name, size=size, unit="MuJoCo") for name, size in sizes.items())
            ),
            action=plant.action,
            control_dt_s=plant.control_dt_s,
            latents=(
                *(LatentSpec(name=name, shape=(size,), dtype="float64") for name, size in sizes.items()),
                *(LatentSpec(name=name, shape=(3,), dtype="float64", unit="m") for name in self._points),
            ),
        )


def read_state(model: mujoco.MjModel, data: mujoco.MjData, kind: int) -> Floats:
    """The components (size,) of a simulation's state, by MuJoCo's `mjtState`, such as `STATE`."""
    state = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, state, kind)
    return state


def _ids(model: mujoco.MjModel, joints: Sequence[str]) -> list[int]:
    return [int(model.joint(name).id) for name in joints]
