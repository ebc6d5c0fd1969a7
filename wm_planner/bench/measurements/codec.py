"""CPU time to write messages as CDR bytes and to read them, compared with the type store alone."""

import time
import timeit
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from rich.table import Table

from wm_planner.clock import nanoseconds
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.images import image
from wm_planner.terminal import table

_CALLS = 100
_REPEATS = 40


class CodecCost(NamedTuple):
    """A row of the benchmark; times are CPU microseconds, the best of the repeats.

    Attributes:
        message: what was converted.
        message_bytes: its size.
        write_us, read_us: by the codec.
        store_write_us, store_read_us: by the type store alone.
    """

    message: str
    message_bytes: int
    write_us: float
    read_us: float
    store_write_us: float
    store_read_us: float


def codec_benchmark(repeats: int = _REPEATS) -> tuple[CodecCost, ...]:
    """Convert one message of each kind again and again."""
    return tuple(_cost(name, message, repeats) for name, message in _messages().items())


def codec_table(costs: tuple[CodecCost, ...]) -> Table:
    """The rows of the benchmark as a table."""
    columns = ("write", "read", "store: write", "store: read")
    rows = table("CPU time of a conversion, us", "message", "bytes", *columns)
    for cost in costs:
        rows.add_row(cost.message, str(cost.message_bytes), *(f"{each:.1f}" for each in cost[2:]))
    return rows


def _cost(name: str, message: m.Message, repeats: int) -> CodecCost:
    type_name, encoder = codec.type_of(message), codec.Encoder()
    data = codec.encode(message)
    view = memoryview(data)
    return CodecCost(
        name,
        len(data),
        _cpu_us(lambda: encoder.encode(message), repeats),
        _cpu_us(lambda: codec.decode(type_name, data), repeats),
        _cpu_us(lambda: m.STORE.serialize_cdr(message, type_name), repeats),
        _cpu_us(lambda: m.STORE.deserialize_cdr(view, type_name), repeats),
    )


def _cpu_us(call: Callable[[], object], repeats: int) -> float:
    times = timeit.repeat(call, number=_CALLS, repeat=repeats, timer=time.thread_time)
    return min(times) / _CALLS * 1e6


def _messages() -> dict[str, m.Message]:
    rng = np.random.default_rng(0)
    now_ns = nanoseconds(1.0)
    joints = [f"panda_joint{number}" for number in range(1, 8)]
    names, units = ["dx", "dy", "dz"], ["m", "m", "m"]
    actions = rng.normal(size=9).astype(np.float32)
    still = m.Vector3(0.0, 0.0, 0.0)
    pose = m.pose_stamped([1, 2, 3], [0, 0, 0, 1], now_ns, "map")
    return {
        "JointTrajectory 30 x 7": m.joint_trajectory(joints, rng.normal(size=(30, 7)), 0.1, now_ns),
        "JointTrajectory 1 x 7": m.joint_trajectory(joints, rng.normal(size=(1, 7)), 0.1, now_ns),
        "JointState 7": m.joint_state(joints, rng.normal(size=7), now_ns, rng.normal(size=7)),
        "Plan 3 x 3": m.Plan(m.header(now_ns), 1, names, units, 3, actions, 0.2, 0, 1, False),
        "Latent 64 x 128": m.Latent(
            header=m.header(now_ns),
            goal_id=1,
            arrays=m.named_arrays({"z": rng.normal(size=(1, 64, 128)).astype(np.float32)}),
            surprise=0.5,
            episode_id=1,
            steps=np.empty(0, np.uint32),
        ),
        "Odometry": m.Odometry(
            m.header(now_ns, "map"),
            "base_link",
            m.PoseWithCovariance(pose.pose, np.zeros(36)),
            m.TwistWithCovariance(m.Twist(still, still), np.zeros(36)),
        ),
        "Image 256 x 256": image(np.zeros((256, 256, 3), np.uint8), now_ns, "front"),
    }
