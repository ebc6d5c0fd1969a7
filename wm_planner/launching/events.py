"""What happens to the nodes of a run, noted as it happens."""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from wm_planner.clock import Clock, WallClock, seconds

Kind: TypeAlias = Literal[
    "started", "active", "hung", "resumed", "finished", "died", "respawned", "stopped", "killed"
]


class Event(NamedTuple):
    """Something that happened to a node, `time_s` seconds after the run began.

    Attributes:
        is_fatal: whether the run failed by it, so that the error of the run tells the same.
    """

    time_s: float
    node: str
    kind: Kind
    detail: str
    is_fatal: bool = False


class Journal:
    """The events of a run.

    Args:
        on_event: called with every event as it happens.
        clock: of their times; monotonic.

    Attributes:
        events: all so far.
    """

    def __init__(self, on_event: Callable[[Event], None], clock: Clock | None = None) -> None:
        self._on_event = on_event
        self._clock = clock or WallClock()
        self._began_ns = self._clock.now_ns()
        self.events: list[Event] = []

    def add(self, node: str, kind: Kind, detail: str, is_fatal: bool = False) -> None:
        """Note an event that happens now."""
        self.events.append(Event(self.now_s(), node, kind, detail, is_fatal))
        self._on_event(self.events[-1])

    def now_s(self) -> float:
        """Seconds since the run began."""
        return seconds(self._clock.now_ns() - self._began_ns)
