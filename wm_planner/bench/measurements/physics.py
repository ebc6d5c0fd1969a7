"""Success of planning over physics, and its overhead relative to the bare rollouts."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from rich.table import Table

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.evaluation.closed_loop.episode_log import EpisodeLog
from wm_planner.evaluation.closed_loop.episodes import EpisodeResult, run_episodes
from wm_planner.evaluation.closed_loop.physics_task import PhysicsTask
from wm_planner.evaluation.statistics import Rate, rate
from wm_planner.planners import PLANNERS
from wm_planner.planners.base import Plan
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import Scene, load_scene
from wm_planner.terminal import table
from wm_planner.world_models.physics.drives import Floats
from wm_planner.world_models.physics.model import PhysicsModel

HELD_S = 1.0
"""An episode is solved if the scene's point stays at its goal during this time at the end."""


def physics_tables(
    tasks: Mapping[str, PhysicsTask],
    plans: int,
    seeds: Sequence[int],
    unmodified: bool,
    log: EpisodeLog,
    workers: int,
) -> Iterator[Table]:
    """All tables of the benchmark; each is yielded when it is done.

    Args:
        tasks: tasks by name.
        plans: number of timed plans, and of repeats of timed physics.
        seeds: seeds of the episodes of each task; empty to skip success.
        unmodified: whether to plan each task over its unmodified scene as well.
        log: log of finished episodes.
        workers: number of processes.
    """
    yield overhead_table([overhead_row(name, task, plans) for name, task in tasks.items()], plans)
    for name, task in tasks.items():
        yield change_table(name, list(change_rows(task, plans)))
    for name, task in tasks.items() if seeds else ():
        variants = (task, task.unmodified()) if unmodified else (task,)
        yield solved_table([solved_row(name, variant, seeds, log, workers) for variant in variants])


@dataclass(frozen=True, slots=True)
class SolvedRow:
    """Success of planning a task with one model, in the unmodified scene.

    Attributes:
        task: name of the task.
        model: changes of the planning model.
        solved: success rate.
        median_m: median final distance, in m.
        plan_cpu_s: median CPU time per plan, in s.
    """

    task: str
    model: str
    solved: Rate
    median_m: float
    plan_cpu_s: float


def solved_row(
    name: str, task: PhysicsTask, seeds: Sequence[int], log: EpisodeLog, workers: int
) -> SolvedRow:
    """Run one episode per seed, except those in the log."""
    scene = load_scene(task.scene)

    def run(batch: Sequence[int]) -> list[EpisodeResult]:
        return run_episodes(task.scene, task, batch, task.steps, workers=workers)

    results = log.run(msgspec.json.encode(task).decode(), seeds, 2 * workers, run)
    return SolvedRow(
        task=name,
        model=task.physics.planning_model.summary,
        solved=rate(sum(solved(result, scene) for result in results), len(results)),
        median_m=float(np.median([result.end for result in results])),
        plan_cpu_s=float(np.median(np.concatenate([result.plan_cpu_s for result in results]))),
    )


def solved(result: EpisodeResult, scene: Scene) -> bool:
    """Whether the point was at its goal during the last `HELD_S`."""
    steps = round(HELD_S / scene.control_dt_s)
    return bool((result.distances[-steps:] <= scene.success_radius).all())


@dataclass(frozen=True, slots=True)
class OverheadRow:
    """CPU time of a plan and of its bare rollouts; medians in s, from the same run.

    Attributes:
        task: name of the task.
        rollouts: rollouts per plan.
        physics_steps: physics steps per rollout.
        plan_s: CPU time of a plan.
        bare_s: CPU time of its bare rollouts.
        same: whether plans of the same seed with one and with two threads are bitwise identical.
    """

    task: str
    rollouts: int
    physics_steps: int
    plan_s: float
    bare_s: float
    same: bool


def overhead_row(name: str, task: PhysicsTask, plans: int) -> OverheadRow:
    """Time plans of the first tick of the first episode, each followed by its bare rollouts."""
    simulator = MujocoSimulator(load_scene(task.scene))
    simulator.reset(0)
    model = _RecordingModel(task.physics, simulator.scene)
    plan_once, plan_s, bare_s = first_plan(task, model, simulator), [], []
    for _ in range(plans):
        model.batches.clear()
        started = time.process_time()
        plan = plan_once()
        planned = time.process_time()
        for physics, targets in model.batches:
            model.simulate(physics, targets)
        plan_s.append(planned - started)
        bare_s.append(time.process_time() - planned)
    two = msgspec.structs.replace(task.physics, threads=2)
    again = first_plan(task, PhysicsModel(two, simulator.scene), simulator)()
    simulator.close()
    return OverheadRow(
        name,
        plan.evaluations,
        model.batches[0][1].shape[1],
        float(np.median(plan_s)),
        float(np.median(bare_s)),
        plan.actions.tobytes() == again.actions.tobytes(),
    )


def first_plan(task: PhysicsTask, model: PhysicsModel, simulator: MujocoSimulator) -> Callable[[], Plan]:
    """A function that plans the task from the simulator's current state, with the same seed every time."""
    problem, planner = task.problem(model, simulator), PLANNERS.build(task.planner, "planner")
    return lambda: planner.plan(problem, rng=np.random.default_rng(task.seed))


class _RecordingModel(PhysicsModel):
    """Records the states and targets of each rollout, concatenated for one call of the bare physics."""

    def __init__(self, config: PhysicsModel.Config, plant: Scene) -> None:
        self.batches: list[tuple[Floats, Floats]] = []
        self._calls: list[tuple[Floats, Floats]] = []
        super().__init__(config, plant)

    def simulate(self, physics: Floats, targets: Floats) -> tuple[Floats, Floats]:
        self._calls.append((physics, targets))
        return super().simulate(physics, targets)

    def rollout(self, latent: Latent, actions: Array, noise: Any = None) -> Rollout:
        self._calls.clear()
        rollout = super().rollout(latent, actions, noise)
        *calls, _ = self._calls  # the last one only reads the sensors
        self.batches.append((calls[0][0], np.concatenate([targets for _, targets in calls], axis=1)))
        return rollout


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """CPU time of a task's physics with one more change of the planning model than the row before.

    Attributes:
        change: the changes so far.
        step_s: CPU time per physics step of one rollout.
        second_s: CPU time per simulated second of 64 rollouts.
    """

    change: str
    step_s: float
    second_s: float


def change_rows(task: PhysicsTask, repeats: int) -> Iterator[ChangeRow]:
    """Time the task's physics with the changes of its planning model, added one by one."""
    simulator = MujocoSimulator(load_scene(task.scene))
    simulator.reset(0)
    scene = simulator.scene
    for changes in task.physics.planning_model.cumulative():
        model = _RecordingModel(PhysicsModel.Config(planning_model=changes), scene)
        steps = round(1 / scene.control_dt_s)
        rng = np.random.default_rng(0)
        actions = rng.uniform(scene.action.low, scene.action.high, (64, steps, len(scene.action.low)))
        model.rollout(model.encode(simulator.truth()), actions)
        (physics, targets), times_s = model.batches[0], []
        for _ in range(repeats):
            started = time.process_time()
            model.simulate(physics, targets)
            times_s.append(time.process_time() - started)
        second_s = float(np.median(times_s))
        yield ChangeRow(changes.summary, second_s / targets.shape[0] / targets.shape[1], second_s)
    simulator.close()


def solved_table(rows: Sequence[SolvedRow]) -> Table:
    """The rows as a table."""
    result = table(
        f"planning over physics: episodes that hold the goal during the last {HELD_S:g} s, in the unmodified "
        "scene; 95 % Wilson interval in %",
        *("task, planning model", "solved", "median final distance", "CPU per plan"),
    )
    for row in rows:
        end, plan = f"{100 * row.median_m:.1f} cm", f"{1000 * row.plan_cpu_s:.1f} ms"
        result.add_row(f"{row.task}, {row.model}", str(row.solved), end, plan)
    return result


def overhead_table(rows: Sequence[OverheadRow], plans: int) -> Table:
    """The rows as a table."""
    result = table(
        f"a plan and the bare mujoco.rollout of its rollouts, median CPU of {plans}, and whether plans with "
        "one and with two threads are identical",
        *("task", "rollouts x steps", "plan", "bare", "ratio", "identical"),
    )
    for row in rows:
        times = (
            f"{1000 * row.plan_s:.1f} ms",
            f"{1000 * row.bare_s:.1f} ms",
            f"{row.plan_s / row.bare_s:.2f}",
        )
        result.add_row(row.task, f"{row.rollouts} x {row.physics_steps}", *times, "yes" if row.same else "NO")
    return result


def change_table(name: str, rows: Sequence[ChangeRow]) -> Table:
    """The rows as a table."""
    result = table(
        f"{name}: CPU of the physics, with one more change per row",
        "planning model",
        "per step",
        "64 rollouts of 1 s",
    )
    for row in rows:
        result.add_row(row.change, f"{1e6 * row.step_s:.1f} us", f"{1000 * row.second_s:.0f} ms")
    return result
