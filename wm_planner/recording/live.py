"""Recording some topics of running nodes for a while, without being one of them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from wm_planner.clock import Deadline, WallClock
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.listener import Listener
from wm_planner.recording.recorder import Recorder


def record(
    domain: Domain,
    topics: tuple[str, ...],
    path: Path,
    seconds: float,
    is_enough: Callable[[Mapping[str, int]], bool],
) -> Mapping[str, int]:
    """Record `topics` into a new MCAP file.

    Args:
        domain: of the nodes.
        topics: on the bus.
        path: of the file, which must not exist.
        seconds: after which recording ends, as it does with the last node.
        is_enough: whether the numbers of messages by topic are enough.

    Returns:
        The numbers of messages by topic; a topic without messages is missing.

    Raises:
        RecordingError: if the file cannot be written.
        MessagingError: if a message is of another version.
    """
    clock = WallClock()
    recorder, end = Recorder(path, clock), Deadline.after(clock, seconds)
    try:
        with Listener(domain, *topics) as listener:
            for delivery in listener.deliveries():
                if delivery is not None:
                    recorder.write(delivery)
                if is_enough(recorder.messages) or end.left_s() <= 0:
                    break
    finally:
        recorder.close()
    return recorder.messages
