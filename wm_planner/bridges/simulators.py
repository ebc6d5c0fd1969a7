"""Simulators on the bus: what each of them says at the start of an episode and every tick, and obeys.

A scene is a Python file that declares one, for an arm in MuJoCo; any other file is a traffic scenario.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner import share
from wm_planner.bridges.messages import camera_topic, sensor_messages
from wm_planner.config import convert
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import Simulator
from wm_planner.messaging import messages as m
from wm_planner.simulation.scene import SCENE_SUFFIX, Disturbance, load_scene


class Host(Protocol):
    """A simulator, and how it speaks.

    Attributes:
        simulator: what is hosted.
        topics: all that it publishes.
        command_topic: what it obeys.
    """

    @property
    def simulator(self) -> Simulator: ...
    @property
    def topics(self) -> tuple[str, ...]: ...
    @property
    def command_topic(self) -> str: ...

    def opening(self, stamp_ns: int) -> dict[str, m.Message]:
        """What is said once an episode, by topic."""
        ...

    def sensors(self, observation: Observation, stamp_ns: int) -> dict[str, m.Message]:
        """What is said every tick, by topic."""
        ...

    def command_of(self, message: m.Message) -> NDArray[np.float64]:
        """The simulator's command in a message of `command_topic`."""
        ...


class ArmHost:
    """An arm in MuJoCo, moved by joint targets."""

    command_topic = "/command"

    def __init__(self, scene: str, disturbance: Disturbance) -> None:
        from wm_planner.simulation.mujoco import MujocoSimulator

        self.simulator = MujocoSimulator(load_scene(scene), disturbance)

    @property
    def topics(self) -> tuple[str, ...]:
        cameras = (camera_topic(name) for name in self.simulator.scene.cameras)
        return ("/clock", "/joint_states", "/tcp_pose", *cameras)

    def opening(self, stamp_ns: int) -> dict[str, m.Message]:
        return {}

    def sensors(self, observation: Observation, stamp_ns: int) -> dict[str, m.Message]:
        return sensor_messages(observation, self.simulator.joints, stamp_ns)

    def command_of(self, message: m.Message) -> NDArray[np.float64]:
        return np.asarray(message.points[0].positions)


def check(scene: str, driving: Mapping[str, Any]) -> None:
    """Refuse what `host_of` could not use, as far as can be told without making anything.

    Raises:
        PluginError: if there is no such file.
        ConfigError: if `driving` does not fit.
        ScenarioError: if the scenario cannot be read.
        SimulationError: if there is nothing to drive.
    """
    path = share.find(scene)
    if path.suffix != SCENE_SUFFIX:
        from wm_planner.driving.drive import planning_problems
        from wm_planner.driving.scenarios.readers import read_scenario

        _driving_config(driving)
        planning_problems(read_scenario(path))


def notes(scene: str) -> tuple[str, ...]:
    """What a reader says of a scenario file; nothing of a scene."""
    path = share.find(scene)
    if path.suffix == SCENE_SUFFIX:
        return ()
    from wm_planner.driving.scenarios.readers import read_scenario

    return read_scenario(path).repairs


def host_of(scene: str, disturbance: Disturbance, driving: Mapping[str, Any]) -> Host:
    """The host of a scene file or a scenario file.

    Args:
        scene: its path.
        disturbance: of a scene.
        driving: fills `DrivingSimulator.Config`, for a scenario.

    Raises:
        SimulationError: if the file declares no scene, or there is nothing to drive.
        ScenarioError: if the scenario cannot be read, or no route leads to its goal.
    """
    path = share.find(scene)
    if path.suffix == SCENE_SUFFIX:
        return ArmHost(scene, disturbance)
    from wm_planner.driving.bridges.adapter import DrivingHost
    from wm_planner.driving.scenarios.readers import read_scenario
    from wm_planner.driving.simulation.simulator import DrivingSimulator

    return DrivingHost(DrivingSimulator(read_scenario(path), _driving_config(driving)))


def _driving_config(driving: Mapping[str, Any]) -> Any:
    from wm_planner.driving.simulation.simulator import DrivingSimulator

    return convert(driving, DrivingSimulator.Config, "simulator: params.driving")
