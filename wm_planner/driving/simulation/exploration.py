"""Exploration of traffic scenarios by a randomized driver, to collect training data."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner import config, share
from wm_planner.contracts.dataset import Episode
from wm_planner.contracts.quantity import Quantity
from wm_planner.data.episodes import state_row
from wm_planner.driving.birdseye.traffic_model_io import (
    ACTION,
    IMAGE,
    STEP_S,
    actions_from_states,
    steps_per_action,
)
from wm_planner.driving.geometry.boxes import oriented_boxes
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.map.frenet_boxes import FrenetBoxes
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.simulation.simulator import CAMERA, DrivingScene, DrivingSimulator
from wm_planner.driving.traffic.car_following import IDM
from wm_planner.driving.vehicle.vehicle import STEERING
from wm_planner.errors import SimulationError
from wm_planner.simulation.selection import SCENARIO_ROOT

Floats = NDArray[np.float64]

STATE = (
    Quantity(name="position", size=2, unit="m"),
    Quantity(name="heading", size=1, unit="rad"),
    Quantity(name="speed", size=1, unit="m/s"),
    Quantity(name="offset", size=1, unit="m"),
    Quantity(name="lead_gap", size=1, unit="m"),
)
MAX_LEAD_GAP_M = 40.0
"""`lead_gap`, bumper to bumper, where there is no leader within the image."""

MAX_OFFSET_M = 12.0
"""Lateral distance from the route beyond which an episode is discarded."""

_AGENTS = ({"type": "replay"}, {"type": "idm"}, {"type": "idm", "lane_changes": {}})
_EPISODES_PER_SCENARIO = 4  # in a row: to load a scenario takes longer than to drive in it
_MARGIN_M = 0.3  # lateral margin within which an agent is a leader
_STYLE_STEPS = (10, 50)  # range of the number of steps for which a driving style is kept
_NOISE_MEMORY = 0.9  # autocorrelation of the noise from step to step
_STEERING_NOISE = 0.05  # rad/s per unit of noise; of the acceleration it is 1 m/s^2
_MAX_SPEED = 20.0  # m/s
_LATERAL_ACCELERATION = 3.0  # m/s^2, in bends


class TrafficExplorer:
    """Explores the scenario in a file, or those in a folder in turn; see `collection/base.py`."""

    state = STATE
    signals = ()
    reason = "lost"

    class Config(config.Config, frozen=True, kw_only=True):
        """Scenarios to explore.

        Attributes:
            scenario: path of a file, or of a folder of files.
        """

        scenario: str

    def __init__(self, config: Config) -> None:
        path = share.find(config.scenario, SCENARIO_ROOT)
        self._files = sorted(path.iterdir()) if path.is_dir() else [path]
        if not self._files:
            raise SimulationError(f"{path} is empty, wanted traffic scenarios: `wm scenarios` makes some")
        size = (IMAGE.size_px, IMAGE.size_px)
        self.environment = DrivingScene(path.name, (CAMERA,), size, STEP_S, ACTION)

    def episode(self, seed: int, steps: int) -> Episode | None:
        """The episode of `seed`; None if the driver got too far away from the route.

        Raises:
            SimulationError: if the scenario is shorter than the episode.
        """
        index = seed // _EPISODES_PER_SCENARIO
        file = self._files[index % len(self._files)]
        simulator, rng = _simulator(file, index % len(_AGENTS)), np.random.default_rng(seed)
        simulator.reset(0)
        scenario = simulator.scenario
        every = steps_per_action(scenario.dt)
        available = (scenario.tracks.steps - 1 - simulator.drive.first_step) // every
        if len(scenario.tracks.ids) and steps > available:
            raise SimulationError(
                f"{file} has {available} steps of {STEP_S:g} s, wanted {steps}: collect with "
                f"--steps {available}"
            )
        return _record(simulator, RandomDriver(simulator, rng), steps * every, every)


@lru_cache(maxsize=1)
def _simulator(file: Path, agents: int) -> DrivingSimulator:
    config = DrivingSimulator.Options(agents=_AGENTS[agents], picture=IMAGE)
    return DrivingSimulator(read_scenario(file), config)


def _record(simulator: DrivingSimulator, driver: "RandomDriver", steps: int, every: int) -> Episode | None:
    """Drive, and record frames at intervals of some steps, with the actions between them."""
    frames, states = [], []
    for step in range(steps + 1):
        if step % every == 0:
            frames.append(simulator.observe().images[CAMERA][None])
            states.append(state_row(driver.state(), STATE))
        if step < steps:
            simulator.command(driver.command())
            simulator.advance(simulator.scenario.dt)
        if abs(driver.offset) > MAX_OFFSET_M:
            return None
    actions = actions_from_states(simulator.history.ego, simulator.vehicle, simulator.scenario.dt)
    last = np.zeros((1, actions.shape[1]), np.float32)
    return Episode(np.stack(frames), np.stack(states), np.concatenate([actions, last]))


class RandomDriver:
    """Follows the route by the IDM with a style that changes at random.

    The style is a speed factor, a lateral offset, an additional acceleration, and whether the driver pays
    attention to the leader.
    """

    def __init__(self, simulator: DrivingSimulator, rng: np.random.Generator) -> None:
        self._simulator, self._rng = simulator, rng
        self._idm = IDM(acceleration=float(rng.uniform(1.0, 2.5)), braking=3.0, gap=2.0)
        self._noise_scale = float(rng.choice((0.1, 0.5, 1.0)))
        self._noise, self._steps_left = np.zeros(2), 0

    @property
    def offset(self) -> float:
        """Lateral offset of the ego from the route, positive to the left, in m."""
        return self._frenet()[1]

    def state(self) -> dict[str, Floats]:
        """The quantities of STATE."""
        ego, (s, d) = self._simulator.now.ego, self._frenet()
        gap = min(max(self._leader(s, d)[0], 0.0), MAX_LEAD_GAP_M)
        centre = self._simulator.vehicle.at_centre(ego)
        return {
            "position": centre[:2],
            "heading": ego[[YAW]],
            "speed": ego[[SPEED]],
            "offset": np.array([d]),
            "lead_gap": np.array([gap]),
        }

    def command(self) -> Floats:
        """The next acceleration and steering rate, (2,)."""
        if self._steps_left == 0:
            self._change_style()
        self._steps_left -= 1
        innovation = self._rng.standard_normal(2)
        self._noise = _NOISE_MEMORY * self._noise + np.sqrt(1 - _NOISE_MEMORY**2) * innovation
        (s, d), speed = self._frenet(), float(self._simulator.now.ego[SPEED])
        gap, leader_speed = self._leader(s, d) if self._is_attentive else (np.inf, 0.0)
        limit = min(float(self._simulator.drive.road_context.route.speed_limit(s)), _MAX_SPEED)
        target_speed = self._speed_factor * min(limit, self._curve_speed(s, speed))
        acceleration = float(self._idm.accelerations(speed, gap, leader_speed, target_speed))
        acceleration += self._extra_acceleration
        acceleration += self._noise_scale * self._noise[0]
        stopping = -speed / self._simulator.scenario.dt  # no reversing
        acceleration = max(acceleration, ACTION.low[0], stopping)
        steering_noise = _STEERING_NOISE * self._noise_scale * self._noise[1]
        return np.array([acceleration, self._steering_rate(s, speed) + steering_noise])

    def _change_style(self) -> None:
        rng = self._rng
        self._steps_left = int(rng.integers(*_STYLE_STEPS))
        self._speed_factor = float(rng.uniform(0.4, 1.25))
        self._is_attentive = bool(rng.random() < 0.85)
        self._extra_acceleration = float(rng.choice((0.0, -5.0, 2.5), p=(0.8, 0.1, 0.1)))
        self._lateral_offset = float(rng.choice((rng.normal(0.0, 0.4), rng.uniform(-4.0, 4.0)), p=(0.8, 0.2)))

    def _frenet(self) -> tuple[float, float]:
        """Arc length and lateral offset of the ego's box centre along the route, in m."""
        simulator = self._simulator
        here = simulator.drive.line.project(simulator.vehicle.at_centre(simulator.now.ego)[:2])
        return float(here.s), float(here.d)

    def _leader(self, s: float, d: float) -> tuple[float, float]:
        """Gap to the leader, in m, and its speed."""
        simulator = self._simulator
        agents = simulator.now.agents.states
        boxes = oriented_boxes(agents, simulator.scenario.tracks.sizes)
        in_route_frame = FrenetBoxes.from_boxes(simulator.drive.line, boxes, agents[:, SPEED])
        length, width = simulator.vehicle.size
        return in_route_frame.leader(s, length / 2, width / 2 + _MARGIN_M, d)

    def _curve_speed(self, s: float, speed: float) -> float:
        """Speed at the lateral acceleration limit in the sharpest bend within the next 2 s, in m/s."""
        ahead = s + np.linspace(0.0, max(2.0 * speed, 5.0), 8)
        curvature = float(np.abs(self._simulator.drive.line.curvature(ahead)).max())
        return float(np.sqrt(_LATERAL_ACCELERATION / max(curvature, 1e-3)))

    def _steering_rate(self, s: float, speed: float) -> float:
        """Pure pursuit (Coulter 1992) of a point on the route 1 s plus 4 m ahead, in rad/s."""
        simulator = self._simulator
        ego, vehicle = simulator.now.ego, simulator.vehicle
        lookahead_m = 4.0 + speed
        target = simulator.drive.line.poses(s - vehicle.rear_to_centre_m + lookahead_m, self._lateral_offset)
        x, y, _ = target - ego[:3]
        bearing = np.arctan2(y, x) - ego[YAW]
        steering = np.arctan(2 * np.sin(bearing) / np.hypot(x, y) * vehicle.wheelbase_m)
        return float(np.clip((steering - ego[STEERING]) / 0.3, -0.8, 0.8))
