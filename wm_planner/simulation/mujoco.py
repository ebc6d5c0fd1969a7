"""The MuJoCo simulator: a scene, its cameras, and commands to its actuators."""

import contextlib
import copy
from dataclasses import dataclass
from typing import Any, Self

import mujoco
import numpy as np
from numpy.typing import NDArray

from wm_planner import config, share
from wm_planner.clock import nanoseconds
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import StepResult
from wm_planner.contracts.task import Goal, Placement
from wm_planner.control.ee_delta import RAMP, EndEffectorDelta
from wm_planner.control.motors import MotorHold, Motors
from wm_planner.errors import SimulationError, did_you_mean
from wm_planner.simulation.arm_simulator import checked_targets, ramp_substeps
from wm_planner.simulation.disturbance import disturbed_model
from wm_planner.simulation.rendering import Camera
from wm_planner.simulation.scene import Disturbance, Scene, load_scene

TOOL_SITE = "tcp"
"""Name of the site that is a robot's tool point, if it has one."""


@dataclass(frozen=True, slots=True)
class State:
    """The complete simulation state at the end of a control period.

    Attributes:
        physics: MuJoCo's integration state.
        goal: the goal image.
        goal_position: true position of the goal, (3,) in m.
        stamp_ns: simulation time.
    """

    physics: NDArray[np.float64]
    goal: Goal
    goal_position: NDArray[np.float64]
    stamp_ns: int


class MujocoSimulator:
    """Simulates a scene in MuJoCo; see `contracts.simulator.Simulator`.

    Observations hold the camera images, `joint_positions` and `joint_velocities` of the actuated joints, (J,)
    in rad or m, and for a robot with a tool point `tcp_position`, (3,) in m, world frame. A command is one
    target per actuator, (J,); for an arm, joint positions in rad.

    Args:
        scene: declares the MJCF file, cameras, control and task.
        disturbance: deviations from the scene, none by default.

    Raises:
        SimulationError: if the scene cannot be compiled or rendered, or a declared element is missing.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """A scene file, and deviations from it.

        Attributes:
            scene: path of the file.
            disturbance: none by default.
        """

        scene: str
        disturbance: Disturbance = Disturbance()

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The simulator of a scene file.

        Raises:
            SimulationError: if the file declares no scene, or the scene cannot be simulated.
        """
        return cls(load_scene(config.scene), config.disturbance)

    @staticmethod
    def check(config: Config) -> tuple[str, ...]:
        """Check that the file of the scene exists; there are no notes. See `bridges.simulators.check`."""
        share.find(config.scene)
        return ()

    @staticmethod
    def environment(config: Config) -> Scene:
        """What the scene file declares; see `bridges.simulators.facts`."""
        return load_scene(config.scene)

    def __init__(self, scene: Scene, disturbance: Disturbance | None = None) -> None:
        self.scene = scene
        self.model = disturbed_model(scene.model_file, disturbance or Disturbance())
        self.data = mujoco.MjData(self.model)
        self.control = scene.control(self.model)
        self.joints = self.control.joints
        self.motors = _motors(self.model)
        self._positions = [int(self.model.joint(name).qposadr[0]) for name in self.joints]
        self._velocities = [int(self.model.joint(name).dofadr[0]) for name in self.joints]
        self._camera = Camera(self.model, *scene.image_size)
        self.ramp_s = RAMP * scene.control_dt_s
        self._tool = next((i for i in range(self.model.nsite) if self.model.site(i).name == TOOL_SITE), None)
        self._point = _position_of(self.model, self.data, scene.point)
        self._goal = Goal(images={})
        self._goal_position = np.zeros(3)
        self._stamp_ns = 0
        self._targets, self._applied = np.empty((0, self.model.nu)), 0

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`: sample its task, render the goal image, and set up the start."""
        task = self.scene.sample(np.random.default_rng(seed))
        self._goal = Goal(images=self.arrange(task.goal).images)
        self._goal_position = task.position
        self._stamp_ns = 0
        return self.arrange(task.start)

    def place(self, tcp: NDArray[np.float64]) -> Observation:
        """Set up the scene of the MJCF with the tool point at `tcp`, (3,) in m, at rest."""
        return self.arrange(Placement(tcp))

    def arrange(self, placement: Placement) -> Observation:
        """Set up the scene in the configuration `placement`, at rest."""
        mujoco.mj_resetData(self.model, self.data)
        if placement.tcp is not None:
            self.data.qpos[self._positions] = self.control.at_rest(placement.tcp)
        for name, values in placement.joints.items():
            self.data.joint(name).qpos[:] = values
        if placement.tcp is not None:  # let the servos hold this posture
            self.data.ctrl[:] = self.data.qpos[self._positions]
        self._applied = len(self._targets)
        mujoco.mj_forward(self.model, self.data)
        return self.observe()

    @property
    def arm(self) -> EndEffectorDelta:
        """The scene's control, if its actions are displacements of a tool point.

        Raises:
            SimulationError: if they are not.
        """
        if not isinstance(self.control, EndEffectorDelta):
            raise SimulationError(
                f"actions of {self.scene.name} are {', '.join(self.scene.action.names)}, wanted only "
                "displacements of an arm's tool point, as in sim/panda_reach.py"
            )
        return self.control

    @property
    def goal(self) -> Goal:
        return self._goal

    @property
    def goal_position(self) -> NDArray[np.float64]:
        return self._goal_position

    def step(self, command: NDArray[np.float64]) -> StepResult:
        """Ramp the targets to `command` (J,) and advance by one control period."""
        self.command(command)
        touched = self.advance(self.scene.control_dt_s)
        return StepResult(
            observation=self.observe(),
            success=self.reached,
            distance=self.distance,
            info={"touched": float(touched)},
        )

    def stop_command(self) -> NDArray[np.float64] | None:
        """The controls of motors that brake the joints and hold them; None for servos, which hold them."""
        if self.motors is None:
            return None
        q, velocity = self.data.qpos[self._positions], self.data.qvel[self._velocities]
        hold = MotorHold(self.motors, copy.copy(self.data))
        return self.motors.controls(hold.torques(q, velocity, q, self.scene.control_dt_s))

    @property
    def actuator_targets(self) -> NDArray[np.float64]:
        """The targets of the actuators now, (J,) in rad or m."""
        targets: NDArray[np.float64] = self.data.ctrl.copy()
        return targets

    def command(self, target: NDArray[np.float64]) -> None:
        """Move the actuators' targets to `target`, (J,), within `ramp_s`.

        Raises:
            ShapeError: for another number of targets, or non-finite ones.
        """
        target = checked_targets(target, self.joints)
        substeps = ramp_substeps(self.ramp_s, self.model.opt.timestep)
        self._targets = self.control.interpolate(self.data.ctrl.copy(), target, substeps)
        self._applied = 0

    def advance(self, seconds: float) -> bool:
        """Advance the simulation under the last command.

        Returns:
            Whether there was any contact.
        """
        model, data, ctrl = self.model, self.data, self.data.ctrl
        substeps, touched = round(seconds / model.opt.timestep), False
        targets = self._targets[self._applied : self._applied + substeps]
        self._applied += len(targets)
        for target in targets:
            ctrl[:] = target
            mujoco.mj_step(model, data)
            touched |= data.ncon > 0
        for _ in range(substeps - len(targets)):
            mujoco.mj_step(model, data)
            touched |= data.ncon > 0
        mujoco.mj_forward(model, data)
        self._stamp_ns += nanoseconds(seconds)
        return touched

    @property
    def distance(self) -> float:
        """Distance of the scene's point from its goal, in m."""
        return float(np.linalg.norm(self._point - self._goal_position))

    @property
    def reached(self) -> bool:
        """Whether the scene's point is at its goal."""
        return self.distance <= self.scene.success_radius

    @property
    def tcp_position(self) -> NDArray[np.float64]:
        """Position of the tool point, (3,) in m, world frame.

        Raises:
            SimulationError: if the robot has no tool point.
        """
        if self._tool is None:
            raise SimulationError(f"the robot of {self.scene.name} has no tool point (a site '{TOOL_SITE}')")
        position: NDArray[np.float64] = self.data.site_xpos[self._tool].copy()
        return position

    @property
    def point(self) -> NDArray[np.float64]:
        """Position of the scene's point, (3,) in m, world frame."""
        return self._point.copy()

    def measured(self, name: str) -> NDArray[np.float64]:
        """A quantity of the true state: `<name>_position` of a site, body or joint, or `<joint>_velocity`.

        Positions of sites and bodies are (3,) in m, world frame; those of joints are generalised positions.

        Raises:
            SimulationError: if there is no such element.
        """
        element, _, kind = name.rpartition("_")
        joints = {self.model.joint(i).name for i in range(self.model.njnt)}
        if kind == "velocity" and element in joints:
            return np.array(self.data.joint(element).qvel)
        placed = {self.model.body(i).name for i in range(self.model.nbody)}
        placed |= {self.model.site(i).name for i in range(self.model.nsite)}
        if kind == "position" and element in joints - placed:
            return np.array(self.data.joint(element).qpos)
        if kind == "position" and element in placed:
            return _position_of(self.model, self.data, element).copy()
        known = [f"{each}_position" for each in joints | placed if each]
        raise SimulationError(f"{self.scene.name} has no state '{name}', {did_you_mean(name, known)}")

    def observe(self) -> Observation:
        """The current sensor readings."""
        state = {
            "joint_positions": self.data.qpos[self._positions],
            "joint_velocities": self.data.qvel[self._velocities],
        }
        if self._tool is not None:
            state["tcp_position"] = self.tcp_position
        return Observation(images=self._pictures(), state=state, stamp_ns=self._stamp_ns)

    def truth(self) -> Observation:
        """The full physics state and the current actuator targets, for planning with the true physics."""
        state = {"physics": self._get(mujoco.mjtState.mjSTATE_FULLPHYSICS), "control": self.data.ctrl.copy()}
        return Observation(images={}, state=state, stamp_ns=self._stamp_ns)

    def save(self) -> State:
        physics = self._get(mujoco.mjtState.mjSTATE_INTEGRATION)
        return State(physics, self._goal, self._goal_position, self._stamp_ns)

    def load(self, state: Any) -> None:
        mujoco.mj_setState(self.model, self.data, state.physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        self._applied = len(self._targets)
        self._goal, self._goal_position, self._stamp_ns = state.goal, state.goal_position, state.stamp_ns
        mujoco.mj_forward(self.model, self.data)

    def close(self) -> None:
        """Release the renderer."""
        self._camera.close()

    def _get(self, kind: mujoco.mjtState) -> NDArray[np.float64]:
        state = np.empty(mujoco.mj_stateSize(self.model, kind))
        mujoco.mj_getState(self.model, self.data, state, kind)
        return state

    def _pictures(self) -> dict[str, NDArray[np.uint8]]:
        return {name: self._camera.picture(self.data, name) for name in self.scene.cameras}


def _motors(model: mujoco.MjModel) -> Motors | None:
    """The motors of a model; None for servos, and for a mixture, which takes controls alone."""
    with contextlib.suppress(SimulationError):
        return Motors.if_any(model)
    return None


def _position_of(model: mujoco.MjModel, data: mujoco.MjData, point: str) -> NDArray[np.float64]:
    """Position of a site or body, (3,) in m, as a view of `data`; a site takes precedence."""
    positions = {model.body(i).name: data.xpos[i] for i in range(model.nbody)}
    positions |= {model.site(i).name: data.site_xpos[i] for i in range(model.nsite)}
    if point not in positions:
        raise SimulationError(f"the scene has no site or body '{point}', {did_you_mean(point, positions)}")
    position: NDArray[np.float64] = positions[point]
    return position
