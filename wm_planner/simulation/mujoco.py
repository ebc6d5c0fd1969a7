"""The MuJoCo simulator: a scene, its cameras, and commands to its actuators."""

import copy
from dataclasses import dataclass
from typing import Any, Self

import mujoco
import numpy as np
from numpy.typing import NDArray

from wm_planner import config, share
from wm_planner.clock import NANOSECONDS, nanoseconds
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import StepResult
from wm_planner.contracts.task import Goal, Placement
from wm_planner.control.ee_delta import RAMP, TOOL_SITE, EndEffectorDelta
from wm_planner.control.motors import MotorHold
from wm_planner.control.pose_delta import PoseDelta
from wm_planner.errors import SimulationError
from wm_planner.simulation import elements
from wm_planner.simulation.arm_simulator import checked_targets, ramp_substeps
from wm_planner.simulation.disturbance import disturbed_model
from wm_planner.simulation.rendering import Camera
from wm_planner.simulation.robot import motors_of, robot_of
from wm_planner.simulation.scene import Disturbance, Scene, load_scene
from wm_planner.world_models.physics.divergence import (
    forget_divergence,
    has_diverged,
    keep_diverged,
    without_warnings,
)
from wm_planner.world_models.physics.drives import JointDrives
from wm_planner.world_models.physics.model import CONTROL, STATE, read_state

_COMPLETE = mujoco.mjtState.mjSTATE_INTEGRATION.value


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
    in rad or m, and for a robot with a tool point `tcp_position`, (3,) in m, world frame; with `PoseDelta`
    also `tcp_pose`, (7,). A command is one target per actuated joint, (J,); for an arm, joint positions in
    rad. Physics that diverges ends the episode as failed, at the last valid state.

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
        """Check the scene's robot and rate; there are no notes. See `bridges.simulators.check`."""
        share.find(config.scene)
        scene = load_scene(config.scene)
        robot_of(scene, disturbed_model(scene.model_file, config.disturbance))
        return ()

    @staticmethod
    def environment(config: Config) -> Scene:
        """What the scene file declares; see `bridges.simulators.facts`."""
        return load_scene(config.scene)

    def __init__(self, scene: Scene, disturbance: Disturbance | None = None) -> None:
        self.scene = scene
        self.model = disturbed_model(scene.model_file, disturbance or Disturbance())
        self.data = mujoco.MjData(self.model)
        mujoco.mj_forward(self.model, self.data)
        keep_diverged(self.model)
        self.control, self._drives = robot_of(scene, self.model)
        self._servos = JointDrives.servos(self.model)
        self.joints = self.control.joints
        self.motors = motors_of(self.model)
        self._positions = [int(self.model.joint(name).qposadr[0]) for name in self.joints]
        self._velocities = [int(self.model.joint(name).dofadr[0]) for name in self.joints]
        self._camera = Camera(self.model, *scene.image_size)
        self.ramp_s = RAMP * scene.control_dt_s
        tool = getattr(scene, "tool", TOOL_SITE)
        self._tool = next((i for i in range(self.model.nsite) if self.model.site(i).name == tool), None)
        self._point = elements.position_of(self.model, self.data, scene.point)
        self._goal = Goal(images={})
        self._goal_position = np.zeros(3)
        self._stamp_ns = 0
        self._targets, self._applied = np.empty((0, len(self.joints))), 0
        self.failure = ""

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`: sample its task, render the goal image, and set up the start."""
        task = self.scene.sample(np.random.default_rng(seed))
        before = [Goal(self.arrange(each.placement).images, steps=each.steps) for each in task.before]
        self._goal = Goal(self.arrange(task.goal).images, steps=task.steps, before=tuple(before))
        self._goal_position, self._stamp_ns = task.position, 0
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
            elements.place_joint(self.model, self.data, name, values, self.scene.name)
        self._servos.hold(self.model, self.data)
        self._applied, self.failure = len(self._targets), ""
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
        return self._result(self._advance(self.scene.control_dt_s))

    def stop_command(self) -> NDArray[np.float64] | None:
        """The controls of motors that brake the joints and hold them; None for servos, which hold them."""
        if self.motors is None:
            return None
        q, velocity = self.data.qpos[self._positions], self.data.qvel[self._velocities]
        hold = MotorHold(self.motors, copy.copy(self.data))
        return self.motors.controls(hold.torques(q, velocity, q, self.scene.control_dt_s))

    @property
    def actuator_targets(self) -> NDArray[np.float64]:
        """The targets of the joints now, (J,) in rad or m."""
        return self._drives.targets(self.data.ctrl)

    def command(self, target: NDArray[np.float64]) -> None:
        """Move the targets of the joints to `target`, (J,), within `ramp_s`.

        Raises:
            ShapeError: for another number of targets, or non-finite ones.
        """
        target = checked_targets(target, self.joints)
        substeps = ramp_substeps(self.ramp_s, self.model.opt.timestep)
        self._targets = self.control.interpolate(self.actuator_targets, target, substeps)
        self._applied = 0

    def advance(self, seconds: float) -> StepResult | None:
        """Advance the simulation under the last command.

        Returns:
            The failed step if the physics diverged, else None.
        """
        touched = self._advance(seconds)
        return self._result(touched) if self.failure else None

    def _advance(self, seconds: float) -> bool:
        """Whether anything touched meanwhile. Diverged physics stays at the last valid state."""
        before, valid = self._steps, self._get(STATE | CONTROL)
        self._stamp_ns += nanoseconds(seconds)
        if self.failure:
            return False
        with without_warnings():
            touched = self._simulate(self._steps - before)
        if has_diverged(self.data):
            self.failure = f"the physics diverged within {seconds:g} s after {valid[0]:.3f} s of the episode"
            mujoco.mj_setState(self.model, self.data, valid, STATE | CONTROL)
            forget_divergence(self.data)
        mujoco.mj_forward(self.model, self.data)
        return touched

    def _simulate(self, steps: int) -> bool:
        """Whether anything touched during some time steps."""
        model, data, ctrl, touched = self.model, self.data, self.data.ctrl, False
        targets = self._targets[self._applied : self._applied + steps]
        self._applied += len(targets)
        for values in self._drives.control(targets, ctrl):
            ctrl[:] = values
            mujoco.mj_step(model, data)
            touched |= data.ncon > 0
        for _ in range(steps - len(targets)):
            mujoco.mj_step(model, data)
            touched |= data.ncon > 0
        return touched

    @property
    def _steps(self) -> int:
        """Time steps up to the stamp, so that any slices of a control period add up to whole time steps."""
        return round(self._stamp_ns / (NANOSECONDS * float(self.model.opt.timestep)))

    def _result(self, touched: bool) -> StepResult:
        return StepResult(
            observation=self.observe(),
            success=self.reached,
            distance=self.distance,
            info={"touched": float(touched)},
            terminated=bool(self.failure),
            failure=self.failure,
        )

    @property
    def distance(self) -> float:
        """Distance of the scene's point from its goal, in m."""
        return float(np.linalg.norm(self._point - self._goal_position))

    @property
    def reached(self) -> bool:
        """Whether the scene's point is at its goal, and the episode has not failed."""
        return not self.failure and self.distance <= self.scene.success_radius

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
        return elements.measured(self.model, self.data, name, self.scene.name)

    def observe(self) -> Observation:
        """The current sensor readings."""
        state = {
            "joint_positions": self.data.qpos[self._positions],
            "joint_velocities": self.data.qvel[self._velocities],
        }
        if self._tool is not None:
            state["tcp_position"] = self.tcp_position
        if isinstance(self.control, PoseDelta):
            state["tcp_pose"] = self.control.pose(self.data.qpos[self._positions])
        return Observation(images=self._pictures(), state=state, stamp_ns=self._stamp_ns)

    def truth(self) -> Observation:
        """The full physics state and what is set from outside, for planning with the true physics."""
        state = {"physics": self._get(STATE), "control": self._get(CONTROL)}
        return Observation(images={}, state=state, stamp_ns=self._stamp_ns)

    def save(self) -> State:
        physics = self._get(_COMPLETE)
        return State(physics, self._goal, self._goal_position, self._stamp_ns)

    def load(self, state: Any) -> None:
        mujoco.mj_setState(self.model, self.data, state.physics, _COMPLETE)
        forget_divergence(self.data)
        self._applied, self.failure = len(self._targets), ""
        self._goal, self._goal_position, self._stamp_ns = state.goal, state.goal_position, state.stamp_ns
        mujoco.mj_forward(self.model, self.data)

    def close(self) -> None:
        """Release the renderer."""
        self._camera.close()

    def _get(self, kind: int) -> NDArray[np.float64]:
        return read_state(self.model, self.data, kind)

    def _pictures(self) -> dict[str, NDArray[np.uint8]]:
        return {name: self._camera.picture(self.data, name) for name in self.scene.cameras}
