"""Speed of driving simulation relative to real time, and of evaluating a thousand rollouts.

The ego tracks its route at its initial speed, without a planner.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from wm_planner import share
from wm_planner.driving.birdseye.raster import BirdsEyeRenderer
from wm_planner.driving.geometry.state_columns import SPEED, X, Y
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.terminal import table

DRIVES = ("sim/drive_merge.xml", "sim/drive_left_turn.xml")
DURATION_S = 15.0
ROLLOUTS, STEPS = 1000, 40
HORIZON = 40  # poses passed to the tracker

_REPLAY, _REACTIVE = {"type": "replay"}, {"type": "idm"}
_LANES = {"type": "idm", "lane_changes": {}}
_LARGE, _SMALL = BirdsEyeRenderer.Config(), BirdsEyeRenderer.Config(size_px=64, metres_per_px=1.75)
_MODES: dict[str, dict[str, Any]] = {
    "replayed agents": {"agents": _REPLAY, "picture": None},
    "reactive agents": {"agents": _REACTIVE, "picture": None},
    "reactive agents that change lanes": {"agents": _LANES, "picture": None},
    "reactive agents, image of 64 px": {"agents": _REACTIVE, "picture": _SMALL},
    "reactive agents, image of 224 px": {"agents": _REACTIVE, "picture": _LARGE},
}


class LoopTiming(NamedTuple):
    """Timing of one closed loop.

    Attributes:
        scenario: path of the scenario.
        mode: agents and camera.
        agents: number of agents.
        setup_s: CPU time to build the simulator, in s.
        step_s: mean CPU time per step, in s.
        dt: time step, in s.
    """

    scenario: str
    mode: str
    agents: int
    setup_s: float
    step_s: float
    dt: float


def loop_timings(scenarios: Sequence[str]) -> Iterator[LoopTiming]:
    """Measure each scenario in each mode, after a short warm-up."""
    for path in scenarios:
        scenario = read_scenario(share.find(path))
        for mode, options in _MODES.items():
            config = DrivingSimulator.Options(**options)
            _drive(DrivingSimulator(scenario, config), 2)
            started = time.process_time()
            simulator = DrivingSimulator(scenario, config)
            ready = time.process_time()
            steps = round(DURATION_S / scenario.dt)
            _drive(simulator, steps)
            step_s = (time.process_time() - ready) / steps
            yield LoopTiming(path, mode, len(scenario.tracks.ids), ready - started, step_s, scenario.dt)


def loop_table(timings: Iterator[LoopTiming]) -> Table:
    """The timings, with the speed relative to real time."""
    result = table(
        f"closed loops of {DURATION_S:g} s without a planner, CPU time of one core",
        *("scenario", "mode", "agents", "setup, ms", "step, ms", "x real time"),
    )
    for timing in timings:
        figures = (
            f"{1000 * timing.setup_s:.0f}",
            f"{1000 * timing.step_s:.2f}",
            f"{timing.dt / timing.step_s:.0f}",
        )
        result.add_row(Path(timing.scenario).stem, timing.mode, str(timing.agents), *figures)
    return result


def rollout_text(scenario: Scenario) -> str:
    """CPU time to roll out and evaluate ROLLOUTS x STEPS commands among replayed agents."""
    drive = DrivingSimulator(scenario, DrivingSimulator.Options(picture=None)).drive
    commands = np.random.default_rng(0).normal(size=(ROLLOUTS, STEPS, 2)) * (1.0, 0.02)
    drive.rollout(commands)
    started = time.process_time()
    drive.rollout(commands)
    time_ms = 1000 * (time.process_time() - started)
    return (
        f"{ROLLOUTS} rollouts of {STEPS} steps among replayed agents, with their outcomes: {time_ms:.0f} ms"
    )


def _drive(simulator: DrivingSimulator, steps: int) -> None:
    line, ahead = simulator.drive.line, np.arange(HORIZON + 1) * simulator.scenario.dt
    speed = float(simulator.now.ego[SPEED])
    for _ in range(steps):
        s = float(line.project(simulator.now.ego[[X, Y]]).s)
        simulator.follow(line.poses(s + speed * ahead))
