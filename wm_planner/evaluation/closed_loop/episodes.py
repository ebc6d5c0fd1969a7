"""Episodes in one process, without nodes: the same simulator, planner and control as a launch in lockstep."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from wm_planner.control.safety import Limits
from wm_planner.evaluation.closed_loop.policies import Policy
from wm_planner.evaluation.statistics import Rate, rate
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import Disturbance, load_scene

NEAR_M = 0.05  # nearer starts would be successes already


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """How one episode went.

    Attributes:
        distances: to the goal before the first step and after each, (steps + 1,) in m.
        plan_cpu_s: CPU time of each decision, (steps,).
    """

    seed: int
    distances: NDArray[np.float64]
    plan_cpu_s: NDArray[np.float64]

    @property
    def end(self) -> float:
        """Distance at the end, in m."""
        return float(self.distances[-1])


def run_episode(
    simulator: MujocoSimulator, policy: Policy, seed: int, steps: int, near: int | None = None
) -> EpisodeResult:
    """Run the episode of `seed` for `steps` control periods.

    Args:
        near: start this many random actions away from the goal, and not where the scene says.
    """
    observation = simulator.reset(seed)
    if near is not None:
        observation = simulator.place(_near_goal(simulator, near, np.random.default_rng(seed)))
    policy.reset(simulator, goal_id=seed + 1)
    control, dt_s = simulator.control, simulator.scene.control_dt_s
    limits = Limits(*control.bounds)
    distances = [simulator.distance]
    cpu = []
    for tick in range(steps):
        choice = policy.act(simulator, observation, tick)
        q = observation.state["joint_positions"]
        result = simulator.step(limits.apply(control.command(q, choice.action), q, dt_s).command)
        observation = result.observation
        distances.append(result.distance)
        cpu.append(choice.cpu_s)
    return EpisodeResult(seed, np.array(distances), np.array(cpu))


def _near_goal(simulator: MujocoSimulator, steps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A tool point (3,) in m that many random actions from the goal, at least `NEAR_M` away."""
    goal, action = simulator.goal_position, simulator.scene.action
    while True:
        start = goal
        for _ in range(steps):
            start = simulator.arm.target(start, rng.uniform(action.low, action.high))
        if np.linalg.norm(start - goal) >= NEAR_M:
            return start


def run_episodes(
    scene: str,
    policy: Callable[[MujocoSimulator], Policy],
    seeds: Sequence[int],
    steps: int,
    disturbance: Disturbance | None = None,
    workers: int = 2,
    near: int | None = None,
) -> list[EpisodeResult]:
    """Run one episode a seed, side by side in processes.

    Args:
        scene: path of the scene file.
        policy: makes the policy inside a worker; must be picklable by reference.
        near: see `run_episode`.
    """
    shares = [list(seeds[worker::workers]) for worker in range(workers)]
    done = Parallel(n_jobs=workers)(
        delayed(_run)(scene, policy, share, steps, disturbance, near) for share in shares if share
    )
    return sorted((result for share in done for result in share), key=lambda result: seeds.index(result.seed))


def _run(
    scene: str,
    policy: Callable[[MujocoSimulator], Policy],
    seeds: Sequence[int],
    steps: int,
    disturbance: Disturbance | None,
    near: int | None,
) -> list[EpisodeResult]:
    simulator = MujocoSimulator(load_scene(scene), disturbance)
    driver = policy(simulator)
    results = [run_episode(simulator, driver, seed, steps, near) for seed in seeds]
    simulator.close()
    return results


def within(results: Sequence[EpisodeResult], radius_m: float) -> Rate:
    """How many episodes end within `radius_m` of the goal."""
    return rate(sum(result.end <= radius_m for result in results), len(results))
