"""Episodes in one process, without nodes: the same simulator, planner and control as a launch in lockstep."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from wm_planner.evaluation.policies import Policy
from wm_planner.evaluation.statistics import Rate, rate
from wm_planner.safety import Limits
from wm_planner.simulation.base import Disturbance, load_scene
from wm_planner.simulation.mujoco import MujocoSimulator


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


def run_episode(simulator: MujocoSimulator, policy: Policy, seed: int, steps: int) -> EpisodeResult:
    """Run the episode of `seed` for `steps` control periods."""
    observation = simulator.reset(seed)
    policy.reset(simulator, goal_id=seed + 1)
    control, dt_s = simulator.control, simulator.scene.control_dt_s
    limits = Limits(control.chain.low, control.chain.high, control.velocity_limits)
    distances = [float(np.linalg.norm(simulator.tcp_position - simulator.goal_position))]
    cpu = []
    for tick in range(steps):
        choice = policy.act(simulator, observation, tick)
        q = observation.state["joint_positions"]
        result = simulator.step(limits.apply(control.command(q, choice.action), q, dt_s).command)
        observation = result.observation
        distances.append(result.distance)
        cpu.append(choice.cpu_s)
    return EpisodeResult(seed, np.array(distances), np.array(cpu))


def run_episodes(
    scene: str,
    policy: Callable[[MujocoSimulator], Policy],
    seeds: Sequence[int],
    steps: int,
    disturbance: Disturbance | None = None,
    workers: int = 2,
) -> list[EpisodeResult]:
    """Run one episode a seed, side by side in processes.

    Args:
        scene: path of the scene file.
        policy: makes the policy inside a worker; must be picklable by reference.
    """
    shares = [list(seeds[worker::workers]) for worker in range(workers)]
    done = Parallel(n_jobs=workers)(
        delayed(_run)(scene, policy, share, steps, disturbance) for share in shares if share
    )
    return sorted((result for share in done for result in share), key=lambda result: seeds.index(result.seed))


def _run(
    scene: str,
    policy: Callable[[MujocoSimulator], Policy],
    seeds: Sequence[int],
    steps: int,
    disturbance: Disturbance | None,
) -> list[EpisodeResult]:
    simulator = MujocoSimulator(load_scene(scene), disturbance)
    driver = policy(simulator)
    results = [run_episode(simulator, driver, seed, steps) for seed in seeds]
    simulator.close()
    return results


def within(results: Sequence[EpisodeResult], radius_m: float) -> Rate:
    """How many episodes end within `radius_m` of the goal."""
    return rate(sum(result.end <= radius_m for result in results), len(results))
