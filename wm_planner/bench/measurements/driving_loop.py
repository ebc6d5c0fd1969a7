"""How much quicker than time driving scenarios are simulated, and how quickly thousands of drives are judged.

The ego follows its route at its first speed, by the tracker; nobody plans.
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
HORIZON = 40  # poses that are followed

_REPLAY, _REACTIVE = {"type": "replay"}, {"type": "idm"}
_LANES = {"type": "idm", "lane_changes": {}}
_WIDE, _SMALL = BirdsEyeRenderer.Config(), BirdsEyeRenderer.Config(size_px=64, metres_per_px=1.75)
_MODES: dict[str, dict[str, Any]] = {
    "agents replayed": {"agents": _REPLAY, "picture": None},
    "agents react": {"agents": _REACTIVE, "picture": None},
    "agents react and change lanes": {"agents": _LANES, "picture": None},
    "agents react, picture of 64 px": {"agents": _REACTIVE, "picture": _SMALL},
    "agents react, picture of 224 px": {"agents": _REACTIVE, "picture": _WIDE},
}


class Loop(NamedTuple):
    """One closed loop.

    Attributes:
        prepare_s: CPU time to get ready, in s.
        step_s: CPU time of a step, mean, in s.
        dt: of a step, in s.
    """

    scenario: str
    mode: str
    agents: int
    prepare_s: float
    step_s: float
    dt: float


def loops(scenarios: Sequence[str]) -> Iterator[Loop]:
    """Each scenario in each mode, as it is done; a first run is not counted."""
    for path in scenarios:
        scenario = read_scenario(share.find(path))
        for mode, how in _MODES.items():
            config = DrivingSimulator.Options(**how)
            _drive(DrivingSimulator(scenario, config), 2)
            began = time.process_time()
            simulator = DrivingSimulator(scenario, config)
            ready = time.process_time()
            steps = round(DURATION_S / scenario.dt)
            _drive(simulator, steps)
            took = time.process_time() - ready
            yield Loop(path, mode, len(scenario.tracks.ids), ready - began, took / steps, scenario.dt)


def loops_table(done: Iterator[Loop]) -> Table:
    """The loops, with how many times quicker than time they are."""
    made = table(
        f"closed loops of {DURATION_S:g} s, CPU time of one core, nobody plans",
        *("scenario", "mode", "agents", "ready in ms", "step, ms", "x real time"),
    )
    for loop in done:
        figures = f"{1000 * loop.prepare_s:.0f}", f"{1000 * loop.step_s:.2f}", f"{loop.dt / loop.step_s:.0f}"
        made.add_row(Path(loop.scenario).stem, loop.mode, str(loop.agents), *figures)
    return made


def rollouts_text(scenario: Scenario) -> str:
    """What it costs to drive ROLLOUTS times STEPS commands among replayed agents, and to judge them."""
    drive = DrivingSimulator(scenario, DrivingSimulator.Options(picture=None)).drive
    commands = np.random.default_rng(0).normal(size=(ROLLOUTS, STEPS, 2)) * (1.0, 0.02)
    drive.rollout(commands)
    began = time.process_time()
    drive.rollout(commands)
    took = time.process_time() - began
    return (
        f"{ROLLOUTS} drives of {STEPS} steps among replayed agents, driven and judged: {1000 * took:.0f} ms"
    )


def _drive(simulator: DrivingSimulator, steps: int) -> None:
    line, ahead = simulator.drive.line, np.arange(HORIZON + 1) * simulator.scenario.dt
    speed = float(simulator.now.ego[SPEED])
    for _ in range(steps):
        s = float(line.project(simulator.now.ego[[X, Y]]).s)
        simulator.follow(line.poses(s + speed * ahead))
