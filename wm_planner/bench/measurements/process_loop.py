"""Speed of the closed loop of an arm in one process, without nodes, and where its CPU time goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from wm_planner.bench.measurements.spent import Spent
from wm_planner.evaluation.closed_loop.episodes import arm_simulator, run_episode
from wm_planner.evaluation.closed_loop.policies import Policy
from wm_planner.simulation.arm_simulator import ArmSimulator


@dataclass(frozen=True, slots=True)
class ProcessLoopResult:
    """One measurement, of CPU time, so that other work on the machine hardly matters.

    Attributes:
        decisions: number of plans.
        per_cpu_s: plans per second of CPU time.
        parts_s: CPU time per decision of each part, in s: `render` and `physics` of the simulator, `encode`,
            `decide`, and `control and the rest`, which includes inverse kinematics and resets.
    """

    decisions: int
    per_cpu_s: float
    parts_s: dict[str, float]


def measure_process_loop(
    scene: str, policy: Callable[[ArmSimulator], Policy], episodes: int, steps: int = 30, seed: int = 10_000
) -> ProcessLoopResult:
    """Run episodes one after the other in this process; one more before them is not counted.

    Args:
        scene: path of the scene file, or name of a simulator of an arm: `bullet`.
        policy: builds the policy for the simulator.
        steps: control steps per episode.
        seed: of the first episode; the others count up.
    """
    simulator = arm_simulator(scene)
    built = policy(simulator)
    run_episode(simulator, built, seed, steps)
    counted = Spent()
    counted.count("render", simulator, "observe")
    counted.count("physics", simulator, "step")
    started = time.process_time()
    results = [run_episode(simulator, built, seed + episode, steps) for episode in range(1, episodes + 1)]
    total = time.process_time() - started
    simulator.close()
    spent = dict(counted.parts_s)
    spent["encode"] = sum(float(result.encode_cpu_s.sum()) for result in results)
    spent["decide"] = sum(float(result.plan_cpu_s.sum()) for result in results) - spent["encode"]
    spent["control and the rest"] = total - sum(spent.values())
    decisions = episodes * steps
    return ProcessLoopResult(
        decisions, decisions / total, {part: cpu_s / decisions for part, cpu_s in spent.items()}
    )
