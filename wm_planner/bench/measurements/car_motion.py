"""Random plans into the controller of a car: what its set-points keep of the vehicle's limits."""

import time
from contextlib import suppress

import msgspec
import numpy as np
from rich.table import Table

from wm_planner.bridges.messages import plan_message, why_not_finite
from wm_planner.clock import nanoseconds
from wm_planner.driving.bridges.ackermann import AckermannControl
from wm_planner.driving.bridges.messages import EGO_FRAME, POSES, odometry_message
from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.vehicle.drive_motion import DriveLimits
from wm_planner.driving.vehicle.vehicle import STEERING, VEHICLES, Vehicle, VehicleName
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m
from wm_planner.terminal import table

RATE_HZ, PERIOD_S = 100.0, 0.1  # of the set-points, and of the poses of a plan
SET_POINTS = 8  # at most per plan
HORIZON = 20  # poses
DELAYS = 8  # measured states that a plan may be late, at most
NEW = 0.01  # share of plans that want another speed and curvature than the one before
BROKEN = 0.2  # share of plans that are broken


_SHARES = ("speed", "acceleration", "jerk", "steering", "steering_rate", "grip")


class CarMotionRow(msgspec.Struct, frozen=True):
    """What the set-points of a car kept.

    Attributes:
        plans, refused, set_points: how many there were.
        speed: how far it was beyond the vehicle's speeds, in m/s.
        acceleration, jerk, steering, steering_rate, grip: largest share of a limit that was used; `grip` is
            of the acceleration across the direction of travel.
        cpu_s: median CPU time of one set-point.
    """

    plans: int
    refused: int
    set_points: int
    speed: float
    acceleration: float
    jerk: float
    steering: float
    steering_rate: float
    grip: float
    cpu_s: float


def car_motion_row(name: VehicleName, plans: int, seed: int = 0) -> CarMotionRow:
    """Send random plans to the controller of a car, BROKEN ones among them.

    The car is measured where its set-points put it; each plan is late by up to DELAYS measured states, and
    after some of them the controller is told to stop, or loses its odometry.
    """
    vehicle, rng, period_s = VEHICLES[name], np.random.default_rng(seed), 1 / RATE_HZ
    control, limits = AckermannControl(AckermannControl.Config(vehicle=name)), DriveLimits.of(vehicle)
    control.pace(RATE_HZ)
    state, stamp_ns, acceleration = np.zeros(6), 0, 0.0
    stamps, times, refused, worst = [0], [], 0, np.full(6, -np.inf)
    wanted = _wanted(rng)
    for number in range(plans):
        if rng.random() < NEW:
            wanted = _wanted(rng)
        if number == 0 or rng.random() < 0.9:
            control.observe(_odometry(vehicle, state, stamp_ns))
            stamps = [*stamps[-DELAYS:], stamp_ns]
        refused += not _command(control, _plan(rng, number, state[SPEED], wanted, stamps))
        for _ in range(int(rng.integers(1, SET_POINTS + 1))):
            stamp_ns += nanoseconds(period_s)
            began = time.process_time()
            message = control.set_point(stamp_ns)
            times.append(time.process_time() - began)
            assert message is not None  # odometry was observed
            drive = message.drive
            reached = (drive.speed - state[SPEED]) / period_s
            rate = (drive.steering_angle - state[STEERING]) / period_s
            jerk, acceleration = (reached - acceleration) / period_s, reached
            across = drive.speed**2 * np.tan(drive.steering_angle) / vehicle.wheelbase_m
            shares = (
                max(limits.speed[0] - drive.speed, drive.speed - limits.speed[1]),
                abs(reached) / limits.acceleration,
                abs(jerk) / limits.jerk,
                abs(drive.steering_angle) / limits.steering,
                abs(rate) / limits.steering_rate,
                abs(across) / limits.acceleration,
            )
            worst = np.maximum(worst, shares)
            state = vehicle.step(state, [reached, rate], period_s)
            state[SPEED], state[STEERING] = drive.speed, drive.steering_angle
    kept = dict(zip(_SHARES, worst.tolist(), strict=True))
    return CarMotionRow(plans, refused, len(times), **kept, cpu_s=float(np.median(times)))


def car_motion_table(row: CarMotionRow, name: str) -> Table:
    printed = table(
        f"{name}: {row.plans} random plans, {row.set_points} set-points at {RATE_HZ:g} Hz", "what", "worst"
    )
    printed.add_row("beyond the speeds of the vehicle", f"{max(0.0, row.speed):.1g} m/s")
    for field in _SHARES[1:]:
        printed.add_row(f"{field.replace('_', ' ')}, share of its limit", f"{getattr(row, field):.3f}")
    printed.add_row("plans refused or stopped for", f"{row.refused / row.plans:.1%}")
    printed.add_row("CPU of a set-point, median", f"{1e6 * row.cpu_s:.0f} us")
    return printed


def _command(control: AckermannControl, plan: m.Message) -> bool:
    """Hand a plan over as the controller node does; whether it is followed."""
    with suppress(InputError):
        if not why_not_finite(plan):
            control.command(plan, 0)
            return True
    control.stop(PERIOD_S) if plan.id % 2 else control.blind_stop(0)
    return False


def _odometry(vehicle: Vehicle, state: np.ndarray, stamp_ns: int) -> m.Message:
    return odometry_message(vehicle.at_centre(state)[:4], float(vehicle.yaw_rate(state)), stamp_ns)


def _wanted(rng: np.random.Generator) -> tuple[float, float]:
    """A speed in m/s and a curvature in 1/m, some beyond what a car can do."""
    return float(rng.uniform(-20, 60)), float(rng.normal(0, 0.3) * rng.choice([0.05, 1.0]))


def _plan(
    rng: np.random.Generator, number: int, speed_now: float, wanted: tuple[float, float], stamps: list[int]
) -> m.Message:
    """A plan from an earlier state on towards a speed and a curvature, with noise, or one that is broken."""
    share = np.linspace(0, 1, HORIZON)
    speed = speed_now + share * (wanted[0] - speed_now) + np.cumsum(rng.normal(0, 1, HORIZON))
    yaw = np.cumsum(speed * PERIOD_S * wanted[1] + rng.normal(0, 0.05, HORIZON))
    steps = PERIOD_S * speed[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    poses = np.column_stack([np.cumsum(steps, axis=0) - steps[0], yaw - yaw[0]]).astype(np.float32)
    frame, dt_s, spec = EGO_FRAME, PERIOD_S, POSES
    if rng.random() < BROKEN:
        kind = rng.integers(6)
        if kind == 0:
            poses[rng.integers(HORIZON), rng.integers(3)] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
        elif kind == 1:
            poses[:, :2] += rng.normal(0, 100, 2).astype(np.float32)  # of the map
        elif kind == 2:
            frame = "map"
        elif kind == 3:
            dt_s = float(rng.choice([0.0, 1e-9, -1.0, np.nan, 1e6]))
        elif kind == 4:
            poses = poses[:1]
        else:
            spec = msgspec.structs.replace(POSES, names=("throttle", "steer", "brake"))
    stamp_ns = int(rng.choice(stamps))
    return plan_message(number, poses, spec, dt_s, stamp_ns, frame=frame, execute_steps=1, fallback=False)
