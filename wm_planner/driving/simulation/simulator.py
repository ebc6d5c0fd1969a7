"""Simulator of a traffic scenario: the ego is controlled, agents are replayed or react.

One step is one step of the scenario. The camera is a bird's-eye image, so image-based models and planners
need no knowledge of driving.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from wm_planner import config, share
from wm_planner.clock import nanoseconds
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import StepResult
from wm_planner.contracts.task import Goal, Objective, Scored
from wm_planner.driving.birdseye.raster import BirdsEyeRenderer
from wm_planner.driving.birdseye.scenario_camera import ScenarioCamera
from wm_planner.driving.drive import Drive, planning_problems
from wm_planner.driving.geometry.state_columns import SPEED, YAW, X, Y
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.simulation.history import History
from wm_planner.driving.simulation.missed_goal import why_missed
from wm_planner.driving.simulation.world_state import WorldState
from wm_planner.driving.traffic.agents import AGENTS, TrafficAgents
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.driving.vehicle.vehicle import (
    ACCELERATION,
    STEERING,
    VEHICLES,
    Vehicle,
    VehicleName,
)
from wm_planner.errors import ShapeError
from wm_planner.simulation.selection import SCENARIO_ROOT

Floats = NDArray[np.float64]

CAMERA = "birdseye"
ACCELERATION_LIMIT, STEERING_RATE_LIMIT = 8.0, 1.0  # m/s^2, rad/s: bounds of actions, besides the vehicle's


@dataclass(frozen=True)
class DrivingScene:
    """Description of a driving environment; see `EnvironmentSpec`."""

    name: str
    cameras: tuple[str, ...]
    image_size: tuple[int, int]
    control_dt_s: float
    action: ActionSpec


@dataclass(frozen=True, eq=False)
class State:
    """A drive so far: the world after every step, and simulated time since the last step, in ns."""

    drive: Drive
    trace: tuple[WorldState, ...]
    elapsed_ns: int


class DrivingSimulator:
    """Simulates a traffic scenario.

    A command is an acceleration in m/s^2 and a steering rate in rad/s, (2,); `follow` takes poses instead.
    Observations hold the image `birdseye` and the state of the rear axle: `position` (2,) m, `heading` (1,)
    rad, `speed` (1,) m/s, `acceleration` (1,) m/s^2, and `steering`, the steering angle, (1,) rad. The seed
    of an episode selects one of the scenario's planning problems; everything else is deterministic.
    Collisions and leaving the road are reported in `info` and do not end the episode.

    Raises:
        SimulationError: if the scenario has no planning problem and no recorded ego.
    """

    class Options(config.Config, frozen=True, kw_only=True):
        """Ego, agents and camera.

        Attributes:
            vehicle: name of the ego vehicle.
            agents: `{type: replay}`, or `{type: idm, ...}` for reactive agents.
            tracker: parameters of the tracker behind `follow`.
            picture: rendering of the camera's image; None to disable the camera.
        """

        vehicle: VehicleName = "bmw_320i"
        agents: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "replay"})
        tracker: Tracker.Config = Tracker.Config()
        picture: BirdsEyeRenderer.Config | None = BirdsEyeRenderer.Config()

    class Config(Options, frozen=True, kw_only=True):
        """A scenario file with its options.

        Attributes:
            scenario: path of the file, in any registered format.
        """

        scenario: str

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Read a scenario file and build its simulator.

        Raises:
            ScenarioError: if the file cannot be read, or no route leads to its goal.
            SimulationError: if it has no planning problem and no recorded ego.
        """
        return cls(read_scenario(share.find(config.scenario, SCENARIO_ROOT)), config)

    @staticmethod
    def check(config: Config) -> tuple[str, ...]:
        """Read a scenario file and return the reader's notes on it; see `bridges.simulators.check`."""
        AGENTS.configure(config.agents, "agents")
        scenario = read_scenario(share.find(config.scenario, SCENARIO_ROOT))
        planning_problems(scenario)
        return scenario.repairs

    def __init__(self, scenario: Scenario, config: Options | None = None) -> None:
        self.config = config or self.Options()
        self.scenario = scenario
        self.vehicle: Vehicle = VEHICLES[self.config.vehicle]
        self.scene = _scene(scenario, self.vehicle, self.config.picture)
        self._drives: dict[int, Drive] = {}
        self._agents: TrafficAgents = AGENTS.build(self.config.agents, "driving: agents", scenario=scenario)
        self._tracker = Tracker(self.config.tracker, self.vehicle, scenario.dt)
        self.reset(0)

    def reset(self, seed: int) -> Observation:
        """Start the episode of `seed`."""
        index = seed % len(planning_problems(self.scenario))
        if index not in self._drives:
            self._drives[index] = Drive(self.scenario, self.vehicle, index)
        self.drive = self._drives[index]
        self._trace = [WorldState(self.drive.start, self._agents.initial_state(self.drive.first_step))]
        self._command, self._elapsed_ns = np.zeros(2), 0
        return self.observe()

    @property
    def now(self) -> WorldState:
        """The current state of the world."""
        return self._trace[-1]

    @property
    def step_index(self) -> int:
        """The current step of the scenario."""
        return self.now.agents.step

    def step(self, command: Floats) -> StepResult:
        """Drive one step with a command: acceleration and steering rate, (2,)."""
        self.command(command)
        self._advance()
        return self._result()

    def follow(self, poses: Floats) -> StepResult:
        """Track poses of the rear axle, x, y, yaw, (T, 3), for one step: the first is for now, T >= 2."""
        reference = self._tracker.reference(np.asarray(poses, np.float64)[None])
        return self.step(self._tracker.commands(self.now.ego[None], reference, 0)[0])

    def command(self, command: Floats) -> None:
        """Set the command, acceleration and steering rate, (2,), that applies from now on."""
        values = np.asarray(command, np.float64)
        if values.shape != (2,) or not np.isfinite(values).all():
            raise ShapeError(
                f"the command is {values.tolist()}, wanted two finite numbers: an acceleration in m/s^2 and "
                "a steering rate in rad/s"
            )
        self._command = values

    def advance(self, seconds: float) -> None:
        """Simulate under the last command; the world moves in whole steps."""
        self._elapsed_ns += nanoseconds(seconds)
        period_ns = nanoseconds(self.scenario.dt)
        while self._elapsed_ns >= period_ns:
            self._elapsed_ns -= period_ns
            self._advance()

    def observe(self) -> Observation:
        """The current observation."""
        ego = self.now.ego
        images = self._images(self.vehicle.at_centre(ego), self.now.agents.states)
        state = {"position": ego[[X, Y]], "heading": ego[[YAW]], "speed": ego[[SPEED]]}
        state |= {"acceleration": ego[[ACCELERATION]], "steering": ego[[STEERING]]}
        stamp_ns = (len(self._trace) - 1) * nanoseconds(self.scenario.dt)
        return Observation(images, state, stamp_ns)

    @property
    def objective(self) -> Objective:
        """Arrive within the time of the goals; the world scores it, because what came before counts."""
        return Scored(steps=self.drive.steps)

    @property
    def goal(self) -> Goal:
        """The image at the goal: map and route from where the route reaches it, without agents."""
        no_agents = np.full((len(self.scenario.tracks.ids), 4), np.nan)
        state = np.array([*self.drive.line.poses(self.drive.goal_s), self.drive.start[SPEED]])
        return Goal(images=self._images(state, no_agents))

    @property
    def goal_position(self) -> Floats:
        """Where the route reaches the goal, (3,) in m."""
        return np.array([*self.drive.line.poses(self.drive.goal_s)[:2], 0.0])

    @property
    def distance(self) -> float:
        """Distance to the goal along the route, in m."""
        centre = self.vehicle.at_centre(self.now.ego)
        s = float(self.drive.line.project(centre[:2]).s)
        return max(self.drive.goal_s - s, 0.0)

    @property
    def reached(self) -> bool:
        """Whether the goal has been reached without a collision or leaving the road before."""
        return self.now.reached

    def why_missed(self) -> str:
        """Why the goal has not been reached, in words; empty if it has."""
        if self.reached:
            return ""
        for world in self._trace:
            if world.failed:
                at_s = self.scenario.dt * world.agents.step
                return f"{'collided' if world.collided else 'left the road'} at {at_s:.1f} s"
        centres = self.vehicle.at_centre(np.stack([world.ego for world in self._trace]))[:, :4]
        return why_missed(self.scenario, self.drive.problem.goals, centres, self.drive.first_step)

    @property
    def history(self) -> History:
        """The drive since the start."""
        ego = np.stack([world.ego for world in self._trace])
        agents = np.stack([world.agents.states for world in self._trace], axis=1)
        return History(self.scenario, self.vehicle, self.drive.first_step, ego, agents)

    def save(self) -> State:
        return State(self.drive, tuple(self._trace), self._elapsed_ns)

    def load(self, state: Any) -> None:
        self.drive, self._trace, self._elapsed_ns = state.drive, list(state.trace), state.elapsed_ns

    def close(self) -> None:
        """Does nothing: there are no resources to free."""

    def _advance(self) -> None:
        now, vehicle = self.now, self.vehicle
        centre = vehicle.at_centre(now.ego)
        agents = self._agents.next_state(now.agents, np.array([*centre[:3], *vehicle.size, centre[SPEED]]))
        ego = vehicle.step(now.ego, self._command, self.scenario.dt)
        outcome = self.drive.evaluate(ego[None, None], agents.states[None], agents.step)
        self._trace.append(now.next_state(ego, agents, outcome))

    def _result(self) -> StepResult:
        now = self.now
        info: Mapping[str, float] = {
            "collided": float(now.collided),
            "off_road": float(now.off_road),
            "arrived": float(now.arrived),
        }
        return StepResult(self.observe(), self.reached, self.distance, info)

    def _images(self, pose: Floats, agents: Floats) -> dict[str, NDArray[np.uint8]]:
        if self._camera is None:
            return {}
        route = self.drive.line.points
        return {CAMERA: self._camera.render(pose, agents, self.step_index, route)}

    @cached_property
    def _camera(self) -> ScenarioCamera | None:
        picture = self.config.picture
        return ScenarioCamera(picture, self.scenario, self.vehicle.size) if picture else None


def _scene(scenario: Scenario, vehicle: Vehicle, picture: BirdsEyeRenderer.Config | None) -> DrivingScene:
    """The environment, with actions bounded by the vehicle and by the limits above."""
    limits = (
        min(vehicle.max_acceleration, ACCELERATION_LIMIT),
        min(vehicle.max_steering_rate, STEERING_RATE_LIMIT),
    )
    return DrivingScene(
        name=scenario.id,
        cameras=(CAMERA,) if picture else (),
        image_size=(picture.size_px, picture.size_px) if picture else (0, 0),
        control_dt_s=scenario.dt,
        action=ActionSpec(
            names=("acceleration", "steering_rate"),
            units=("m/s^2", "rad/s"),
            low=(-limits[0], -limits[1]),
            high=limits,
        ),
    )
