"""Driving explores: drivers follow, wander, do not look, and brake, in one scenario after the other."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wm_planner import config, share
from wm_planner.contracts.card import Quantity
from wm_planner.contracts.dataset import Episode
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

Floats = NDArray[np.float64]

STATE = (
    Quantity(name="position", size=2, unit="m"),
    Quantity(name="heading", size=1, unit="rad"),
    Quantity(name="speed", size=1, unit="m/s"),
    Quantity(name="offset", size=1, unit="m"),
    Quantity(name="lead_gap", size=1, unit="m"),
)
SEEN_M = 40.0
"""`lead_gap` where nobody is ahead within the picture, bumper to bumper."""

LOST_M = 12.0
"""Lateral distance from the route beyond which an episode is discarded."""

_AGENTS = ({"type": "replay"}, {"type": "idm"}, {"type": "idm", "lane_changes": {}})
_DRIVES = 4  # of a scenario, one after the other: to make it ready costs more than to drive
_MARGIN_M = 0.3  # beside the ego, for who counts as ahead
_MOOD_STEPS = (10, 50)  # steps for which a driver keeps its mood
_NERVE = (0.9, 1.0)  # memory of the noise from step to step, and its weight on the acceleration


class TrafficExplorer:
    """Explores the traffic scenario in a file, or those in a folder in turn; see base.py."""

    state = STATE
    reason = "lost"

    class Config(config.Config, frozen=True, kw_only=True):
        """What is explored.

        Attributes:
            scenario: path of a file, or of a folder of files.
        """

        scenario: str

    def __init__(self, config: Config) -> None:
        path = share.find(config.scenario)
        self._files = sorted(path.iterdir()) if path.is_dir() else [path]
        if not self._files:
            raise SimulationError(f"{path} is empty, wanted traffic scenarios: `wm scenarios` makes some")
        size = (IMAGE.size_px, IMAGE.size_px)
        self.environment = DrivingScene(path.name, (CAMERA,), size, STEP_S, ACTION)

    def episode(self, seed: int, steps: int) -> Episode | None:
        """The episode of `seed`, or None if the driver got lost.

        Raises:
            SimulationError: if the scenario ends before the episode.
        """
        turn = seed // _DRIVES
        file = self._files[turn % len(self._files)]
        simulator, rng = _simulator(file, turn % len(_AGENTS)), np.random.default_rng(seed)
        simulator.reset(0)
        scenario = simulator.scenario
        every = steps_per_action(scenario.dt)
        lasts = (scenario.tracks.steps - 1 - simulator.drive.first_step) // every
        if len(scenario.tracks.ids) and steps > lasts:
            raise SimulationError(
                f"{file} lasts {lasts} steps of {STEP_S:g} s, wanted {steps}: collect with --steps {lasts}"
            )
        return _driven(simulator, Driver(simulator, rng), steps * every, every)


@lru_cache(maxsize=1)
def _simulator(file: Path, agents: int) -> DrivingSimulator:
    config = DrivingSimulator.Options(agents=_AGENTS[agents], picture=IMAGE)
    return DrivingSimulator(read_scenario(file), config)


def _driven(simulator: DrivingSimulator, driver: "Driver", steps: int, every: int) -> Episode | None:
    """Drive; frames are taken every few steps, and actions are what lead from one to the next."""
    frames, states = [], []
    for step in range(steps + 1):
        if step % every == 0:
            frames.append(simulator.observe().images[CAMERA][None])
            states.append(state_row(driver.situation(), STATE))
        if step < steps:
            simulator.command(driver.command())
            simulator.advance(simulator.scenario.dt)
        if abs(driver.offset) > LOST_M:
            return None
    actions = actions_from_states(simulator.history.ego, simulator.vehicle, simulator.scenario.dt)
    last = np.zeros((1, actions.shape[1]), np.float32)
    return Episode(np.stack(frames), np.stack(states), np.concatenate([actions, last]))


class Driver:
    """Follows the route by the IDM in changing moods: a pace, a place in the lane, and whether it looks."""

    def __init__(self, simulator: DrivingSimulator, rng: np.random.Generator) -> None:
        self._simulator, self._rng = simulator, rng
        self._idm = IDM(acceleration=float(rng.uniform(1.0, 2.5)), braking=3.0, gap=2.0)
        self._nerves = float(rng.choice((0.1, 0.5, 1.0)))
        self._noise, self._left = np.zeros(2), 0

    @property
    def offset(self) -> float:
        """Of the ego from the route, to the left, in m."""
        return float(self._place()[1])

    def situation(self) -> dict[str, Floats]:
        """The quantities of STATE."""
        ego, (s, d) = self._simulator.now.ego, self._place()
        gap = min(max(self._leader(s, d)[0], 0.0), SEEN_M)
        here = self._simulator.vehicle.at_centre(ego)
        return {
            "position": here[:2],
            "heading": ego[[YAW]],
            "speed": ego[[SPEED]],
            "offset": np.array([d]),
            "lead_gap": np.array([gap]),
        }

    def command(self) -> Floats:
        """The next acceleration and steering rate, (2,)."""
        if self._left == 0:
            self._change_mood()
        self._left -= 1
        memory, weight = _NERVE
        fresh = self._rng.standard_normal(2)
        self._noise = memory * self._noise + np.sqrt(1 - memory**2) * fresh
        (s, d), speed = self._place(), float(self._simulator.now.ego[SPEED])
        gap, leader = self._leader(s, d) if self._looks else (np.inf, 0.0)
        limit = min(float(self._simulator.drive.road_context.route.speed_limit(s)), 20.0)
        wanted = self._pace * min(limit, self._in_bends(s, speed))
        pull = float(self._idm.accelerations(speed, gap, leader, wanted)) + self._shove
        pull += self._nerves * weight * self._noise[0]
        pull = max(pull, ACTION.low[0], -speed / self._simulator.scenario.dt)  # it does not reverse
        return np.array([pull, self._steering_rate(s, speed) + 0.05 * self._nerves * self._noise[1]])

    def _change_mood(self) -> None:
        rng = self._rng
        self._left = int(rng.integers(*_MOOD_STEPS))
        self._pace = float(rng.uniform(0.4, 1.25))
        self._looks = bool(rng.random() < 0.85)
        self._shove = float(rng.choice((0.0, -5.0, 2.5), p=(0.8, 0.1, 0.1)))
        self._aside = float(rng.choice((rng.normal(0.0, 0.4), rng.uniform(-4.0, 4.0)), p=(0.8, 0.2)))

    def _place(self) -> tuple[float, float]:
        """Arc length and offset of the ego's box along the route, in m."""
        simulator = self._simulator
        at = simulator.drive.line.project(simulator.vehicle.at_centre(simulator.now.ego)[:2])
        return float(at.s), float(at.d)

    def _leader(self, s: float, d: float) -> tuple[float, float]:
        """The gap to who is ahead, in m, and its speed."""
        simulator = self._simulator
        others = simulator.now.agents.states
        row = oriented_boxes(others, simulator.scenario.tracks.sizes)
        corridor = FrenetBoxes.from_boxes(simulator.drive.line, row, others[:, SPEED])
        length, width = simulator.vehicle.size
        return corridor.leader(s, length / 2, width / 2 + _MARGIN_M, d)

    def _in_bends(self, s: float, speed: float) -> float:
        """The speed for a lateral acceleration of 3 m/s^2 within the next 2 s, in m/s."""
        ahead = s + np.linspace(0.0, max(2.0 * speed, 5.0), 8)
        bend = float(np.abs(self._simulator.drive.line.curvature(ahead)).max())
        return float(np.sqrt(3.0 / max(bend, 1e-3)))

    def _steering_rate(self, s: float, speed: float) -> float:
        """Pure pursuit (Coulter 1992) of a point of the route, a second and 4 m ahead, in rad/s."""
        simulator = self._simulator
        ego, vehicle = simulator.now.ego, simulator.vehicle
        reach = 4.0 + speed
        x, y, _ = simulator.drive.line.poses(s - vehicle.rear_to_centre_m + reach, self._aside) - ego[:3]
        angle = np.arctan2(y, x) - ego[YAW]
        wanted = np.arctan(2 * np.sin(angle) / np.hypot(x, y) * vehicle.wheelbase_m)
        return float(np.clip((wanted - ego[STEERING]) / 0.3, -0.8, 0.8))
