"""Random plans into the controller of an arm: what its set-points keep of limits and distances."""

import time

import msgspec
import numpy as np
from rich.table import Table

from wm_planner.bridges.messages import plan_message
from wm_planner.contracts.card import ActionSpec
from wm_planner.control.clearance import KeepOut
from wm_planner.control.kinematics import Floats
from wm_planner.manipulation.bridges.joint import JointControl
from wm_planner.messaging import messages as m
from wm_planner.terminal import table

RATE_HZ, PERIOD_S = 100.0, 0.2  # of the set-points, and of the plans
SET_POINTS = 20  # at most per plan
BROKEN = 0.1  # share of plans with a component that is not finite or huge
BOXES = (
    KeepOut(low=(0.55, -0.3, 0.0), high=(0.6, -0.05, 0.2)),
    KeepOut(low=(0.3, 0.2, 0.0), high=(0.5, 0.4, 0.3)),
)


class MotionRow(msgspec.Struct, frozen=True):
    """What the set-points of an arm kept.

    Attributes:
        plans, set_points: how many there were.
        clearance_m: smallest distance of the arm from itself and from boxes.
        beyond_rad: how far the joints were beyond their bounds; negative if they never were.
        velocity, acceleration, jerk: largest share of a limit that was used.
        blocked: share of plans whose motion was stopped before something.
        cpu_s: median CPU time of one set-point.
    """

    plans: int
    set_points: int
    clearance_m: float
    beyond_rad: float
    velocity: float
    acceleration: float
    jerk: float
    blocked: float
    cpu_s: float


def motion_row(robot: str, plans: int, seed: int = 0) -> MotionRow:
    """Send random joint targets to a robot's controller, BROKEN ones among them.

    The joints are measured where the last set-point put them: this arm tracks perfectly.
    """
    control = JointControl(JointControl.Config(robot=robot, keep_out=BOXES))
    control.pace(RATE_HZ)
    joints, limits = control.control.joints, control.motion_limits
    clearance = control.admissibility.clearance
    assert clearance is not None
    rng, spec = np.random.default_rng(seed), _actions(joints)
    measured, velocity, acceleration = control.control.home, 0.0 * limits.low, 0.0 * limits.low
    worst = np.array([np.inf, -np.inf, 0.0, 0.0, 0.0])
    times, blocked, count, stamp_ns = [], 0, 0, 0
    for number in range(plans):
        control.observe(m.joint_state(joints, measured, stamp_ns))
        wanted = _random_targets(rng, limits.low, limits.high)
        control.command(
            plan_message(number, wanted[None], spec, PERIOD_S, stamp_ns, execute_steps=1, fallback=False), 0
        )
        for _ in range(int(rng.integers(1, SET_POINTS + 1))):
            stamp_ns += round(1e9 / RATE_HZ)
            began = time.process_time()
            message: m.Message = control.set_point(stamp_ns)
            times.append(time.process_time() - began)
            before, measured = measured, np.asarray(message.points[0].positions)
            moved = (measured - before) * RATE_HZ
            gained = (moved - velocity) * RATE_HZ
            jerk, velocity, acceleration = (gained - acceleration) * RATE_HZ, moved, gained
            shares = (moved / limits.velocity, gained / limits.acceleration, jerk / limits.jerk)
            beyond = max(float(np.max(limits.low - measured)), float(np.max(measured - limits.high)))
            low = min(worst[0], clearance.distance(measured))
            high = np.maximum(worst[1:], [beyond, *(float(np.max(np.abs(share))) for share in shares)])
            worst, count = np.array([low, *high]), count + 1
        blocked += bool(control.obstacle)
        control.obstacle = ""
    clear_m, beyond, speed, gain, jerk = worst.tolist()
    return MotionRow(
        plans=plans,
        set_points=count,
        clearance_m=clear_m,
        beyond_rad=beyond,
        velocity=speed,
        acceleration=gain,
        jerk=jerk,
        blocked=blocked / plans,
        cpu_s=float(np.median(times)),
    )


def motion_table(row: MotionRow, robot: str) -> Table:
    printed = table(
        f"{robot}: {row.plans} random plans, {row.set_points} set-points at {RATE_HZ:g} Hz",
        "what",
        "worst",
    )
    printed.add_row("distance from itself and from boxes", f"{1000 * row.clearance_m:.1f} mm")
    printed.add_row("beyond the bounds of a joint", f"{max(0.0, row.beyond_rad):.1g} rad")
    for name in ("velocity", "acceleration", "jerk"):
        printed.add_row(f"{name}, share of its limit", f"{getattr(row, name):.3f}")
    printed.add_row("plans stopped before something", f"{row.blocked:.1%}")
    printed.add_row("CPU of a set-point, median", f"{1e6 * row.cpu_s:.0f} us")
    return printed


def _actions(joints: tuple[str, ...]) -> ActionSpec:
    size = len(joints)
    return ActionSpec(names=joints, units=("rad",) * size, low=(-4.0,) * size, high=(4.0,) * size)


def _random_targets(rng: np.random.Generator, low: Floats, high: Floats) -> np.ndarray:
    """Joint targets (J,), some beyond their bounds."""
    span = high - low
    wanted = rng.uniform(low - 0.2 * span, high + 0.2 * span)
    if rng.random() < BROKEN:
        wanted[rng.integers(len(wanted))] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
    return wanted.astype(np.float32)
