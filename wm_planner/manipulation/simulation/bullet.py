"""PyBullet as a simulator: its own Panda reaches poses that are shown in goal pictures."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.clock import nanoseconds
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import StepResult
from wm_planner.contracts.task import Goal, Placement
from wm_planner.control.ee_delta import RAMP, EndEffectorDelta
from wm_planner.control.kinematics import Floats
from wm_planner.errors import SimulationError, did_you_mean
from wm_planner.manipulation.simulation.bullet_panda import JOINTS, MODEL_FILE, PandaKinematics
from wm_planner.manipulation.simulation.bullet_world import TIMESTEP_S, SavedWorld, World
from wm_planner.manipulation.simulation.exploration import ArmExplorer
from wm_planner.manipulation.simulation.reach import Reach
from wm_planner.simulation.arm_simulator import checked_targets, ramp_substeps


@dataclass(frozen=True)
class BulletReach(Reach):
    """The reaching task for PyBullet's Panda; `control` takes its `PandaKinematics` instead of an MJCF."""

    model_file: Path = MODEL_FILE
    low: tuple[float, float, float] = (0.36, -0.28, 0.08)
    high: tuple[float, float, float] = (0.68, 0.28, 0.40)

    @property
    def name(self) -> str:
        return "bullet_reach"

    @cached_property
    def joint_count(self) -> int:
        return len(JOINTS)

    def control(self, model: PandaKinematics) -> EndEffectorDelta:
        return model.control()


@dataclass(frozen=True, eq=False)
class State:
    """A simulation state of one simulator; see `BulletSimulator.save`.

    Attributes:
        world: the physics, which PyBullet keeps.
        held: the motors' targets that were applied last, (7,) in rad.
        targets: those that are still to be applied, (k, 7) in rad, one row per time step.
        goal: the goal pictures.
        goal_position: true position of the goal, (3,) in m.
        stamp_ns: simulation time.
    """

    world: SavedWorld
    held: Floats
    targets: Floats
    goal: Goal
    goal_position: Floats
    stamp_ns: int


class BulletSimulator:
    """Simulates PyBullet's Panda at a table; see `contracts.simulator.Simulator`.

    Cameras, actions, rate and task are those of sim/panda_reach.py, robot, physics and renderer are
    PyBullet's. Observations hold the camera images, `joint_positions` and `joint_velocities`, (7,) in rad and
    rad/s, and `tcp_position`, (3,) in m, world frame. A command is one joint target per joint, (7,) in rad.
    """

    Explorer = ArmExplorer
    motors = None

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing can be set."""

    @staticmethod
    def environment(config: Config) -> BulletReach:
        """Cameras, actions and rate; see `bridges.simulators.facts`."""
        return BulletReach()

    def __init__(self, config: Config) -> None:
        self.scene = BulletReach()
        self.control = self.scene.control(PandaKinematics())
        self.joints = JOINTS
        self._world = World(self.scene.image_size)
        self.ramp_s = RAMP * self.scene.control_dt_s
        self._goal, self._goal_position, self._stamp_ns = Goal(images={}), np.zeros(3), 0
        self.arrange(Placement(self.control.position(self.control.home)))

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`: sample its task, render the goal image, and set up the start."""
        task = self.scene.sample(np.random.default_rng(seed))
        self.arrange(task.goal)
        self._goal = Goal(images=self._world.pictures(self.scene.cameras))
        self._goal_position, self._stamp_ns = task.position, 0
        return self.arrange(task.start)

    def arrange(self, placement: Placement) -> Observation:
        """Put the tool point where `placement` has it, at rest.

        Raises:
            SimulationError: if it has no tool point, or names joints.
        """
        if placement.tcp is None or placement.joints:
            raise SimulationError(
                f"{self.scene.name}: got a placement of {', '.join(placement.joints) or 'nothing'}, wanted "
                "one of the tool point alone"
            )
        q = self.control.at_rest(placement.tcp)
        self._world.place(q)
        self._held, self._targets = q, np.empty((0, len(q)))
        return self.observe()

    def place(self, tcp: NDArray[np.float64]) -> Observation:
        """Put the tool point at `tcp`, (3,) in m, at rest."""
        return self.arrange(Placement(tcp))

    @property
    def arm(self) -> EndEffectorDelta:
        """The same as `control`."""
        return self.control

    def step(self, command: NDArray[np.float64]) -> StepResult:
        """Ramp the motors' targets to `command`, (7,) in rad, and advance by one control period."""
        self.command(command)
        touched = self.advance(self.scene.control_dt_s)
        return StepResult(self.observe(), self.reached, self.distance, {"touched": float(touched)})

    def stop_command(self) -> None:
        """Nothing to do: the motors of PyBullet are servos, which hold their last targets."""

    @property
    def actuator_targets(self) -> NDArray[np.float64]:
        """The targets of the motors now, (J,) in rad."""
        return self._held.copy()

    def command(self, target: NDArray[np.float64]) -> None:
        """Move the motors' targets to `target`, (7,) in rad, within `ramp_s`.

        Raises:
            ShapeError: for another number of targets, or non-finite ones.
        """
        target = checked_targets(target, self.joints)
        substeps = ramp_substeps(self.ramp_s, TIMESTEP_S)
        self._targets = self.control.interpolate(self._held, target, substeps)

    def advance(self, seconds: float) -> bool:
        """Advance the simulation under the last command.

        Returns:
            Whether the robot touched the table.
        """
        touched = False
        for _ in range(round(seconds / TIMESTEP_S)):
            if len(self._targets):
                self._held, self._targets = self._targets[0], self._targets[1:]
            touched |= self._world.step(self._held)
        self._stamp_ns += nanoseconds(seconds)
        return touched

    @property
    def goal(self) -> Goal:
        return self._goal

    @property
    def goal_position(self) -> NDArray[np.float64]:
        return self._goal_position

    @property
    def distance(self) -> float:
        """Distance of the tool point from its goal, in m."""
        return float(np.linalg.norm(self.point - self._goal_position))

    @property
    def reached(self) -> bool:
        """Whether the tool point is at its goal."""
        return self.distance <= self.scene.success_radius

    @property
    def point(self) -> NDArray[np.float64]:
        """Position of the tool point, (3,) in m, world frame."""
        return self._world.tool()

    def measured(self, name: str) -> NDArray[np.float64]:
        """There are no quantities but those of an observation.

        Raises:
            SimulationError: always.
        """
        known = self.observe().state
        raise SimulationError(f"{self.scene.name} has no state '{name}', {did_you_mean(name, known)}")

    def observe(self) -> Observation:
        """The current sensor readings."""
        positions, velocities = self._world.joints()
        state = {"joint_positions": positions, "joint_velocities": velocities, "tcp_position": self.point}
        return Observation(self._world.pictures(self.scene.cameras), state, self._stamp_ns)

    def save(self) -> State:
        """The complete state, which only this simulator can load."""
        world, goal = self._world.save(), (self._goal, self._goal_position)
        return State(world, self._held, self._targets, *goal, self._stamp_ns)

    def load(self, state: Any) -> None:
        self._world.load(state.world)
        self._held, self._targets = state.held, state.targets
        self._goal, self._goal_position, self._stamp_ns = state.goal, state.goal_position, state.stamp_ns

    def close(self) -> None:
        """Release the physics client."""
        self._world.close()
