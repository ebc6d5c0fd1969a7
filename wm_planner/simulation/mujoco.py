"""MuJoCo as a simulator: an arm scene, its cameras, and commands in joint positions."""

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from wm_planner.clock import nanoseconds
from wm_planner.control.ee_delta import EndEffectorDelta, ramp
from wm_planner.errors import ShapeError
from wm_planner.simulation.base import Disturbance, Scene, StepResult
from wm_planner.simulation.disturbance import disturbed_model
from wm_planner.simulation.rendering import Camera
from wm_planner.world_models.base import Observation

SOLVE_ITERATIONS = 60  # of inverse kinematics from the home posture to a start or goal

TOOL_SITE = "tcp"


@dataclass(frozen=True, slots=True)
class State:
    """Everything that decides what the world does next, at the end of a control period."""

    physics: NDArray[np.float64]
    goal: Observation
    goal_position: NDArray[np.float64]
    stamp_ns: int


class MujocoSimulator:
    """Hosts a scene in MuJoCo.

    Observations hold the cameras' pictures and `joint_positions` (7,) rad, `joint_velocities` (7,) rad/s,
    `tcp_position` (3,) m. A command is a joint position target, (7,) rad.
    """

    def __init__(self, scene: Scene, disturbance: Disturbance | None = None) -> None:
        self.scene = scene
        self.model = disturbed_model(scene.model_file, disturbance or Disturbance())
        self.data = mujoco.MjData(self.model)
        self.control = EndEffectorDelta.of(self.model, TOOL_SITE)
        self.joints = self.control.chain.names
        self._camera = Camera(self.model, *scene.image_size)
        self._substeps = round(scene.control_dt_s / self.model.opt.timestep)
        self._tool = self.model.site(TOOL_SITE).id
        self._goal = Observation(images={})
        self._goal_position = np.zeros(3)
        self._stamp_ns = 0
        self._targets, self._given = np.empty((0, self.model.nu)), 0

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`: draws start and goal, pictures the goal, puts the arm at the start."""
        start, goal = self.scene.sample(np.random.default_rng(seed))
        self.place(goal)
        self._goal, self._goal_position = Observation(images=self._pictures()), goal
        self._stamp_ns = 0
        return self.place(start)

    def place(self, tcp: NDArray[np.float64]) -> Observation:
        """Put the arm at rest with its tool point at `tcp`, (3,) m."""
        q = self.control.solve(self.control.home, tcp, SOLVE_ITERATIONS)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[: len(q)] = q
        self.data.ctrl[:] = q
        self._given = len(self._targets)
        mujoco.mj_forward(self.model, self.data)
        return self.observe()

    @property
    def goal(self) -> Observation:
        return self._goal

    @property
    def goal_position(self) -> NDArray[np.float64]:
        return self._goal_position

    def step(self, command: NDArray[np.float64]) -> StepResult:
        """Ramp the joint targets to `command` (7,) rad and advance by one control period."""
        self.command(command)
        touched = self.advance(self.scene.control_dt_s)
        error = np.linalg.norm(self.control.position(command) - self.tcp_position)
        return StepResult(
            observation=self.observe(),
            success=self.reached,
            distance=self.distance,
            info={"tracking_error_m": float(error), "touched": float(touched)},
        )

    def command(self, target: NDArray[np.float64]) -> None:
        """From now on ramp the joint targets to `target`, (7,) rad."""
        target = np.asarray(target, np.float64)
        if target.shape != (len(self.joints),) or not np.isfinite(target).all():
            raise ShapeError(
                f"a command is {target.tolist()}, wanted {len(self.joints)} finite joint positions in rad "
                f"({', '.join(self.joints)}): `control` turns actions into them"
            )
        self._targets = ramp(self.data.ctrl.copy(), target, self._substeps)
        self._given = 0

    def advance(self, seconds: float) -> bool:
        """Let time pass under the last command; says whether the arm touched anything."""
        touched = False
        for _ in range(round(seconds / self.model.opt.timestep)):
            if self._given < len(self._targets):
                self.data.ctrl[:] = self._targets[self._given]
                self._given += 1
            mujoco.mj_step(self.model, self.data)
            touched |= self.data.ncon > 0
        mujoco.mj_forward(self.model, self.data)
        self._stamp_ns += nanoseconds(seconds)
        return touched

    @property
    def distance(self) -> float:
        """From the tool point to the goal, in m."""
        return float(np.linalg.norm(self.tcp_position - self._goal_position))

    @property
    def reached(self) -> bool:
        """Whether the tool point is at the goal, as the scene sees it."""
        return self.scene.success(self.tcp_position, self._goal_position)

    @property
    def tcp_position(self) -> NDArray[np.float64]:
        """Where the tool point is, (3,) m."""
        position: NDArray[np.float64] = self.data.site_xpos[self._tool].copy()
        return position

    def observe(self) -> Observation:
        """What the sensors say now."""
        count = len(self.joints)
        state = {
            "joint_positions": self.data.qpos[:count].copy(),
            "joint_velocities": self.data.qvel[:count].copy(),
            "tcp_position": self.tcp_position,
        }
        return Observation(images=self._pictures(), state=state, stamp_ns=self._stamp_ns)

    def truth(self) -> Observation:
        """What no sensor sees, for planning over true physics: the full state and the targets in force."""
        state = {"physics": self._get(mujoco.mjtState.mjSTATE_FULLPHYSICS), "control": self.data.ctrl.copy()}
        return Observation(images={}, state=state, stamp_ns=self._stamp_ns)

    def save(self) -> State:
        physics = self._get(mujoco.mjtState.mjSTATE_INTEGRATION)
        return State(physics, self._goal, self._goal_position, self._stamp_ns)

    def load(self, state: Any) -> None:
        mujoco.mj_setState(self.model, self.data, state.physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        self._given = len(self._targets)
        self._goal, self._goal_position, self._stamp_ns = state.goal, state.goal_position, state.stamp_ns
        mujoco.mj_forward(self.model, self.data)

    def close(self) -> None:
        """Give the renderer's memory back."""
        self._camera.close()

    def _get(self, kind: mujoco.mjtState) -> NDArray[np.float64]:
        state = np.empty(mujoco.mj_stateSize(self.model, kind))
        mujoco.mj_getState(self.model, self.data, state, kind)
        return state

    def _pictures(self) -> dict[str, NDArray[np.uint8]]:
        return {name: self._camera.picture(self.data, name) for name in self.scene.cameras}
