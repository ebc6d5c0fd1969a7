"""In realtime, messages with about the same stamp are joined."""

import random
from functools import partial

import pytest
from toys import joint_state, picture

from wm_planner.clock import nanoseconds
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.node.approximate_join import ApproximateJoin

FRONT, WRIST, JOINTS = "/camera/front/image_raw", "/camera/wrist/image_raw", "/joint_states"
MS = 1_000_000
UNIX = 1_800_000_000 * 1000 * MS
SECONDS, RATE_HZ = 20, 30


def sent(topic, stamp_ns):
    message = joint_state(stamp_ns) if topic == JOINTS else picture(stamp_ns)
    return Delivery(topic, codec.type_of(message), Envelope(1, stamp_ns, 0, 1, 0), codec.encode(message))


def stream(topic, rate_hz, lag_ms=0.0, jitter_ms=0.0, seed=0):
    """The messages of a sensor over some seconds, by the time at which each is measured."""
    rng = random.Random(seed)
    return [
        (UNIX + nanoseconds(k / rate_hz) + round((lag_ms + rng.uniform(0, jitter_ms)) * MS), topic)
        for k in range(SECONDS * rate_hz)
    ]


def sets(join, *streams):
    """The stamps of the sets that are joined, in ms, as the messages arrive one after the other."""
    made = []
    for stamp_ns, topic in sorted(entry for each in streams for entry in each):
        if ready := join.offer(sent(topic, stamp_ns)):
            made.append([codec.peek_stamp_ns(each.data) / MS for each in ready])
    return made


def joined(*topics, rate_hz=None, **options):
    period_s = None if rate_hz is None else 1 / rate_hz
    return ApproximateJoin(topics, lambda messages, envelope: None, False, period_s, **options)


@pytest.mark.parametrize("lag_ms", [0.0, 2.0, 10.0, 16.6, 16.7, 20.0])
@pytest.mark.parametrize("jitter_ms", [0.0, 3.0])
def test_two_cameras_that_are_apart_by_up_to_20_ms_are_joined(lag_ms, jitter_ms):
    join = joined(FRONT, WRIST, rate_hz=5)
    jitter_ms = min(jitter_ms, 20.0 - lag_ms)
    made = sets(join, stream(FRONT, RATE_HZ), stream(WRIST, RATE_HZ, lag_ms, jitter_ms))
    assert len(made) >= 0.99 * SECONDS * RATE_HZ and not join.mismatch


def test_two_cameras_whose_distance_changes_with_every_picture_are_joined():
    made = sets(joined(FRONT, WRIST), stream(FRONT, RATE_HZ), stream(WRIST, RATE_HZ, jitter_ms=20.0))
    assert len(made) >= 0.99 * SECONDS * RATE_HZ
    assert max(abs(one - other) for one, other in made) <= 1000 / RATE_HZ + 1
    assert all(len({each[camera] for each in made}) == len(made) for camera in (0, 1))  # each picture once


def test_a_picture_is_joined_with_the_nearest_of_faster_joint_states():
    made = sets(joined(FRONT, JOINTS, rate_hz=30), stream(FRONT, 30, 2.0), stream(JOINTS, 100))
    assert len(made) >= 0.99 * SECONDS * 30
    assert max(abs(one - other) for one, other in made) <= 10.0


def test_a_slow_input_counts_with_its_latest_state():
    made = sets(joined(FRONT, JOINTS, rate_hz=30), stream(FRONT, 30), stream(JOINTS, 2, 1.0))
    assert len(made) >= 0.95 * SECONDS * 30
    assert max(front - joints for front, joints in made) <= 501.0


def test_a_slow_input_that_has_ended_is_not_used_for_ever():
    join = joined(FRONT, JOINTS, rate_hz=30)
    made = sets(join, stream(FRONT, 30), stream(JOINTS, 2)[:6])
    assert made[-1][0] - made[-1][1] <= 1000.0 and "never meet" in join.mismatch


def test_a_camera_that_has_ended_is_no_slow_input():
    join = joined(FRONT, WRIST, rate_hz=5)
    made = sets(join, stream(FRONT, 30), stream(WRIST, 30)[:30])
    assert len(made) <= 31 and f"no messages on {WRIST}" in join.mismatch


def test_clocks_that_are_apart_are_told_with_the_measured_offset():
    join = joined(FRONT, JOINTS, rate_hz=30)
    assert not sets(join, stream(FRONT, 30)[:90], stream(JOINTS, 30, 5000.0)[:90])
    assert f"stamps never meet those of {FRONT}" in join.mismatch and JOINTS in join.mismatch
    assert "at most 33.3 ms are joined" in join.mismatch


def test_equal_stamps_are_joined_from_the_first_message_on():
    join = joined(FRONT, JOINTS)
    assert not join.offer(sent(FRONT, 5))
    ready = join.offer(sent(JOINTS, 5))
    messages, envelope = join.open(ready)
    assert list(messages) == [FRONT, JOINTS] and m.stamp_ns(messages[FRONT]) == envelope.origin_ns == 5


def test_a_clock_that_goes_back_is_followed():
    join = joined(FRONT, JOINTS)
    for tick in (5, 6, 1, 2):
        assert not join.offer(sent(FRONT, tick * 100 * MS))
        assert join.offer(sent(JOINTS, tick * 100 * MS))


def test_a_slop_can_be_given():
    make = partial(sets, joined(FRONT, WRIST, slop_s=0.004))
    assert not make(stream(FRONT, 30), stream(WRIST, 30, 12.0))
    assert len(sets(joined(FRONT, WRIST, slop_s=0.007), stream(FRONT, 30), stream(WRIST, 30, 12.0))) >= 594
