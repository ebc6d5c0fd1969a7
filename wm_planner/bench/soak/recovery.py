"""How a node that was respawned came back: when, and with how much CPU time."""

import msgspec

from wm_planner.bench.soak.injection import cpu_s
from wm_planner.bench.soak.observer import Observer
from wm_planner.clock import seconds
from wm_planner.messaging.domain import Endpoint

SPEAKING = ("perception", "planner", "controller")
"""Nodes that are back with their first message; others when they are active."""


class Recovery(msgspec.Struct, frozen=True):
    """A node that was respawned.

    Attributes:
        node: its name.
        wall_s: from the fault until its first message, the supervisor's delay included.
        cpu_s: of the new process until then; `configure_s` of it loads models and warms up.
    """

    node: str
    wall_s: float
    cpu_s: float
    configure_s: float

    @property
    def own_cpu_s(self) -> float:
        """CPU time until its first message, without `configure`."""
        return self.cpu_s - self.configure_s


class Comeback:
    """Waits for the successor of a process.

    Args:
        node: as it was when the fault happened.
        began_ns: of the fault.
        must_come: whether there must be one; else the process may also go on.

    Attributes:
        result: None before it is back.
    """

    def __init__(self, node: Endpoint, began_ns: int, must_come: bool) -> None:
        self.node = node
        self._began_ns, self._must_come = began_ns, must_come
        self._used_s: dict[str, float] = {}  # CPU time when a state was first seen
        self.result: Recovery | None = None

    @property
    def is_over(self) -> bool:
        """Whether the successor is back, or none is to come."""
        return self.result is not None or not (self._must_come or self._used_s)

    def look(self, observer: Observer, endpoints: dict[str, Endpoint]) -> None:
        """Note how far the successor is."""
        now = endpoints.get(self.node.name)
        if self.result is not None or now is None or now.publisher_id == self.node.publisher_id:
            return
        used_s = cpu_s(now.pid)
        self._used_s.setdefault(now.state, used_s)
        is_back = now.publisher_id in observer.heard if now.name in SPEAKING else now.state == "active"
        if is_back:
            wall_s = seconds(observer.now_ns - self._began_ns)
            configure_s = self._used_s.get("inactive", used_s) - self._used_s.get("unconfigured", used_s)
            self.result = Recovery(now.name, wall_s, used_s, max(0.0, configure_s))
