"""Episodes in one process without nodes, with simulator, planner and control as in a lockstep launch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.executed import executed_displacement
from wm_planner.control.safety import Limits
from wm_planner.errors import SimulationError
from wm_planner.evaluation.closed_loop.policies import Policy
from wm_planner.evaluation.statistics import Rate, rate
from wm_planner.parallel import parallel
from wm_planner.simulation import SIMULATORS
from wm_planner.simulation.arm_simulator import ArmSimulator
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import Disturbance, load_scene
from wm_planner.simulation.selection import simulator_spec

MIN_START_M = 0.05  # closer to the goal, the start is a success already


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """The result of one episode.

    Attributes:
        seed: seed of the episode.
        distances: distance to the goal before the first step and after each, (steps + 1,), in m; infinite
            from a failure of the simulation on.
        plan_cpu_s: CPU time of each plan, with the encoding, (steps,), in s.
        encode_cpu_s: of each encoding alone, (steps,), in s; empty if nothing was encoded.
    """

    seed: int
    distances: NDArray[np.float64]
    plan_cpu_s: NDArray[np.float64]
    encode_cpu_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def end(self) -> float:
        """Final distance, in m."""
        return float(self.distances[-1])


def run_episode(
    simulator: ArmSimulator, policy: Policy, seed: int, steps: int, near: int | None = None
) -> EpisodeResult:
    """Run the episode of `seed` for a number of control steps.

    Args:
        near: start this many random actions away from the goal instead of at the scene's start.
    """
    observation = simulator.reset(seed)
    if near is not None:
        observation = simulator.place(_near_goal(simulator, near, np.random.default_rng(seed)))
    policy.reset(simulator, goal_id=seed + 1)
    control, dt_s = simulator.control, simulator.scene.control_dt_s
    limits = Limits(*control.bounds, coupled=control.coupled)
    distances = [simulator.distance]
    cpu, encoding = [], []
    last_action = None
    for tick in range(steps):
        chosen = policy.act(simulator, observation, tick, last_action)
        q = observation.state["joint_positions"]
        limited = limits.apply(control.command(q, chosen.action), q, dt_s)
        last_action = chosen.action.astype(np.float32)
        if isinstance(control, EndEffectorDelta):
            last_action = executed_displacement(control, limits, q, limited, last_action)
        result = simulator.step(limited.command)
        observation = result.observation
        distances.append(math.inf if result.failure else result.distance)
        cpu.append(chosen.cpu_s)
        encoding.append(chosen.encode_cpu_s)
    return EpisodeResult(seed, np.array(distances), np.array(cpu), np.array(encoding))


def _near_goal(simulator: ArmSimulator, steps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A tool position (3,) in m, a number of random actions from the goal and at least MIN_START_M away."""
    goal, action = simulator.goal_position, simulator.scene.action
    while True:
        start = goal
        for _ in range(steps):
            start = simulator.arm.target(start, rng.uniform(action.low, action.high))
        if np.linalg.norm(start - goal) >= MIN_START_M:
            return start


def run_episodes(
    scene: str,
    policy: Callable[[ArmSimulator], Policy],
    seeds: Sequence[int],
    steps: int,
    disturbance: Disturbance | None = None,
    workers: int = 2,
    near: int | None = None,
) -> list[EpisodeResult]:
    """Run one episode per seed in parallel processes.

    Args:
        scene: path of the scene file, or name of a simulator of an arm: `bullet`.
        policy: builds the policy inside a worker; must be picklable by reference.
        seeds: seeds of the episodes.
        steps: control steps per episode.
        disturbance: changes of the scene.
        workers: number of processes.
        near: see `run_episode`.
    """
    chunks = [list(seeds[worker::workers]) for worker in range(workers)]
    run = partial(_run, scene, policy, steps, disturbance, near)
    with parallel(run, [chunk for chunk in chunks if chunk], workers) as batches:
        results = [result for batch in batches for result in batch]
    return sorted(results, key=lambda each: seeds.index(each.seed))


def _run(
    scene: str,
    policy: Callable[[ArmSimulator], Policy],
    steps: int,
    disturbance: Disturbance | None,
    near: int | None,
    seeds: Sequence[int],
) -> list[EpisodeResult]:
    simulator = arm_simulator(scene, disturbance)
    built = policy(simulator)
    results = [run_episode(simulator, built, seed, steps, near) for seed in seeds]
    simulator.close()
    return results


def arm_simulator(scene: str, disturbance: Disturbance | None = None) -> ArmSimulator:
    """The simulator of a scene file, or of an arm by its name, such as `bullet`.

    Raises:
        SimulationError: if it cannot run here, or cannot be disturbed.
    """
    spec = simulator_spec(scene, "scene")
    if spec["type"] == "mujoco":
        return MujocoSimulator(load_scene(spec["scene"]), disturbance)
    if disturbance is not None:
        raise SimulationError(f"{scene}: cannot be disturbed, only the scenes of MuJoCo can")
    simulator: ArmSimulator = SIMULATORS.build(spec, "scene")
    return simulator


def within(results: Sequence[EpisodeResult], radius_m: float) -> Rate:
    """Rate of episodes that end within a radius of the goal."""
    return rate(sum(result.end <= radius_m for result in results), len(results))
