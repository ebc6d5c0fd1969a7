"""Return and success of closed-loop episodes in any simulator whose commands are a model's actions."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from wm_planner.contracts.simulator import Simulator
from wm_planner.evaluation.closed_loop.actors import Actor
from wm_planner.evaluation.statistics import mean, rate
from wm_planner.parallel import parallel
from wm_planner.simulation import SIMULATORS
from wm_planner.terminal import table


@dataclass(frozen=True, slots=True)
class ScoredEpisode:
    """The result of one episode of T steps.

    Attributes:
        seed: of the episode.
        rewards: (T,), in the environment's unit.
        reached: whether the task was solved after each step, (T,).
        act_cpu_s: CPU time of each decision, with encoding, (T,), in s.
    """

    seed: int
    rewards: NDArray[np.float64]
    reached: NDArray[np.bool_]
    act_cpu_s: NDArray[np.float64]


def run_episode(simulator: Simulator, actor: Actor, seed: int, steps: int) -> ScoredEpisode:
    """Run the episode of `seed` for at most `steps` steps."""
    observation = simulator.reset(seed)
    actor.reset(simulator, goal_id=seed + 1)
    rewards, reached, cpu_s = [], [], []
    for tick in range(steps):
        started = time.process_time()
        action = actor.act(observation, tick)
        cpu_s.append(time.process_time() - started)
        result = simulator.step(action)
        observation = result.observation
        rewards.append(result.reward)
        reached.append(result.success)
        if result.is_over:
            break
    return ScoredEpisode(seed, np.array(rewards), np.array(reached), np.array(cpu_s))


def run_episodes(
    simulator: Mapping[str, Any], actor: Callable[[], Actor], seeds: Sequence[int], steps: int, workers: int
) -> list[ScoredEpisode]:
    """Run one episode per seed in parallel processes.

    Args:
        simulator: `{type: gym, id: Pendulum-v1}`.
        actor: builds the actor inside a worker; must be picklable by reference.
        seeds: of the episodes.
        steps: largest number of steps per episode.
        workers: number of processes.
    """
    chunks = [list(seeds[worker::workers]) for worker in range(workers)]
    run = partial(_run, dict(simulator), actor, steps)
    with parallel(run, [chunk for chunk in chunks if chunk], workers) as batches:
        results = [result for batch in batches for result in batch]
    return sorted(results, key=lambda each: seeds.index(each.seed))


def _run(
    spec: dict[str, Any], actor: Callable[[], Actor], steps: int, seeds: Sequence[int]
) -> list[ScoredEpisode]:
    simulator: Simulator = SIMULATORS.build(spec, "simulator")
    built = actor()
    results = [run_episode(simulator, built, seed, steps) for seed in seeds]
    simulator.close()
    return results


class ReturnRow(msgspec.Struct, frozen=True):
    """Return and success of one actor.

    Attributes:
        policy: name of the actor.
        simulator: what was simulated.
        episodes, steps: their number, and the largest number of steps of one.
        returns: mean sum of rewards with its 95 % bootstrap interval, in the environment's unit.
        at_end, ever: episodes that solve the task at their last step, and at any step, each with the 95 %
            Wilson interval.
        act_cpu_s: median CPU time per decision, in s.
    """

    policy: str
    simulator: str
    episodes: int
    steps: int
    returns: tuple[float, float, float]
    at_end: tuple[int, float, float]
    ever: tuple[int, float, float]
    act_cpu_s: float


def return_row(name: str, simulator: str, steps: int, results: Sequence[ScoredEpisode]) -> ReturnRow:
    """The row of finished episodes."""
    at_end = rate(sum(bool(result.reached[-1]) for result in results), len(results))
    ever = rate(sum(bool(result.reached.any()) for result in results), len(results))
    returns = mean([float(result.rewards.sum()) for result in results])
    return ReturnRow(
        policy=name,
        simulator=simulator,
        episodes=len(results),
        steps=steps,
        returns=(returns.value, returns.low, returns.high),
        at_end=(at_end.successes, at_end.low, at_end.high),
        ever=(ever.successes, ever.low, ever.high),
        act_cpu_s=float(np.median(np.concatenate([result.act_cpu_s for result in results]))),
    )


def return_table(title: str, rows: Sequence[ReturnRow]) -> Table:
    """The rows as a table."""
    columns = ("policy", "return", "solved at the end", "ever solved", "CPU per decision")
    result = table(f"{title}; in brackets the 95 % interval, of solved episodes in %", *columns)
    for row in rows:
        value, low, high = row.returns
        result.add_row(
            row.policy,
            f"{value:.4g} [{low:.4g}, {high:.4g}]",
            *(
                f"{count}/{row.episodes} [{100 * least:.0f}, {100 * most:.0f}]"
                for count, least, most in (row.at_end, row.ever)
            ),
            f"{1000 * row.act_cpu_s:.2f} ms",
        )
    return result
