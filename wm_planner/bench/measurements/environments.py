"""What the simulator of Gymnasium environments adds to the environments' own time."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import msgspec
import numpy as np
from rich.table import Table

from wm_planner.errors import SimulationError
from wm_planner.simulation.gym import GymSimulator
from wm_planner.simulation.gym_environment import GymConfig, make
from wm_planner.terminal import table

ENVIRONMENTS = ("Pendulum-v1", "CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0")
REPEATS = 5


class EnvironmentRow(msgspec.Struct, frozen=True):
    """CPU time of one step, in s, by the environment alone and by its simulator.

    Attributes:
        name: of the environment.
        alone, simulated: without pictures.
        alone_seen, simulated_seen: with a picture by `render()` after each step; None if it cannot render.
        is_saved: whether its state can be saved.
    """

    name: str
    alone: float
    simulated: float
    alone_seen: float | None
    simulated_seen: float | None
    is_saved: bool

    @property
    def added_us(self) -> float:
        """What the simulator adds to a step without pictures, in microseconds."""
        return 1e6 * (self.simulated - self.alone)

    @property
    def added_share(self) -> float | None:
        """What the simulator adds to a step with a picture, as a share of it."""
        if self.alone_seen is None or self.simulated_seen is None:
            return None
        return self.simulated_seen / self.alone_seen - 1


def environment_row(name: str, steps: int) -> EnvironmentRow:
    """Measure an environment; each time is that of the fastest of REPEATS runs of `steps` steps.

    Raises:
        SimulationError: if it cannot be made.
    """
    alone, simulated = _times(GymConfig(id=name), steps)
    alone_seen: float | None = None
    simulated_seen: float | None = None
    with contextlib.suppress(SimulationError, gymnasium.error.Error):  # it cannot render here
        alone_seen, simulated_seen = _times(GymConfig(id=name, render=True), max(steps // 20, 1))
    simulator = GymSimulator(GymConfig(id=name))
    try:
        simulator.save()
        is_saved = True
    except SimulationError:
        is_saved = False
    finally:
        simulator.close()
    return EnvironmentRow(name, alone, simulated, alone_seen, simulated_seen, is_saved)


def environment_table(rows: list[EnvironmentRow]) -> Table:
    """The rows as a table."""
    result = table(
        "CPU time of a step of an environment, and what `{type: gym}` adds",
        *("environment", "step", "added", "step and picture", "added", "state saved"),
    )
    for row in rows:
        seen = "-" if row.alone_seen is None else f"{1000 * row.alone_seen:.2f} ms"
        share = "-" if row.added_share is None else f"{row.added_share:+.1%}"
        cells = f"{1e6 * row.alone:.1f} us", f"{row.added_us:+.1f} us", seen, share
        result.add_row(row.name, *cells, "yes" if row.is_saved else "no")
    return result


def _times(config: GymConfig, steps: int) -> tuple[float, float]:
    """CPU time of a step by the environment alone, and by its simulator; the two take turns."""
    simulator, env = GymSimulator(config), make(config)
    low, high = simulator.scene.action.low, simulator.scene.action.high
    commands = np.random.default_rng(0).uniform(low, high, (steps, len(low)))
    actions = [simulator.decode(command) for command in commands]

    def look() -> None:
        if config.render:
            env.render()

    def alone() -> None:
        env.reset(seed=0)
        look()
        for action in actions:
            *_, terminated, truncated, _ = env.step(action)
            look()
            if terminated or truncated:
                env.reset(seed=0)
                look()

    def simulated() -> None:
        simulator.reset(0)
        for command in commands:
            if simulator.step(command).is_over:
                simulator.reset(0)

    pairs = [(_cpu_s(alone), _cpu_s(simulated)) for _ in range(REPEATS)]
    simulator.close()
    env.close()
    return min(pair[0] for pair in pairs) / steps, min(pair[1] for pair in pairs) / steps


def _cpu_s(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
