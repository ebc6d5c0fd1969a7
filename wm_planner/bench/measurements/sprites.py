"""Speed of SpriteYard: pictures, steps and collected frames per CPU second."""

import time
from collections.abc import Callable

import msgspec
import numpy as np
from rich.table import Table

from wm_planner.collection.collect import BATCH
from wm_planner.sprites.simulation.exploration import SpriteExplorer
from wm_planner.sprites.simulation.simulator import SpriteSimulator
from wm_planner.sprites.simulation.yard import Level, Yards, largest_action
from wm_planner.terminal import table

YARDS = 256


class SpriteRow(msgspec.Struct, frozen=True):
    """Rates of one level, per CPU second.

    Attributes:
        level: `point` or `glide`.
        pictures: of many yards at once, stepped and drawn.
        frames: that `wm collect` records in one process.
        steps: of the simulator with its picture, one yard.
    """

    level: Level
    pictures: float
    frames: float
    steps: float


def sprite_row(level: Level, size_px: int, seconds: float = 1.0) -> SpriteRow:
    """Measure a level.

    Args:
        level: `point` or `glide`.
        size_px: height and width of a picture.
        seconds: of CPU time per measurement.
    """
    rng = np.random.default_rng(0)
    yards, limit = Yards.sample(level, rng, YARDS), largest_action(level)
    config = SpriteSimulator.Config(level=level, size_px=size_px)
    explorer, simulator = SpriteExplorer(config), SpriteSimulator(config)

    def many() -> int:
        yards.step(rng.uniform(-limit, limit, (YARDS, 2)))
        return len(yards.pictures(size_px))

    def collected() -> int:
        return sum(len(episode.images) for episode in explorer.episodes(range(BATCH), 24) if episode)

    def one() -> int:
        simulator.step(rng.uniform(-limit, limit, 2))
        return 1

    return SpriteRow(level, _rate(many, seconds), _rate(collected, seconds), _rate(one, seconds))


def sprite_table(rows: list[SpriteRow], size_px: int) -> Table:
    """The rows as a table."""
    result = table(
        f"SpriteYard at {size_px} px, per CPU second",
        *("level", f"pictures, {YARDS} yards at once", "collected frames", "simulator steps"),
    )
    for row in rows:
        result.add_row(row.level, *(f"{rate:,.0f}" for rate in (row.pictures, row.frames, row.steps)))
    return result


def _rate(work: Callable[[], int], seconds: float) -> float:
    """Units of work per CPU second; `work` returns how many it did."""
    work()
    done, started = 0, time.process_time()
    while (elapsed := time.process_time() - started) < seconds:
        done += work()
    return done / elapsed
