"""Activation of nodes: at first of all together, later of each that is respawned."""

from collections.abc import Callable, Mapping
from pathlib import Path

from wm_planner.launching.events import Journal
from wm_planner.launching.member import Member
from wm_planner.launching.startup import START_S, StartupWatch, startup_error
from wm_planner.messaging.control import Activate, ControlClient
from wm_planner.messaging.domain import Domain, Endpoint
from wm_planner.messaging.wire import ANY
from wm_planner.node.node import DIAGNOSTICS


class Activation:
    """Activates the nodes of a run as they become inactive.

    Args:
        members: all nodes, by name.
        domain: of the run.
        journal: gets an event per node that is active.
        logs: folder of the nodes' logs, for messages.
        on_wait: called with a line about the nodes that a slow start waits for, ever more rarely.
    """

    def __init__(
        self,
        members: Mapping[str, Member],
        domain: Domain,
        journal: Journal,
        logs: Path,
        on_wait: Callable[[str], None],
    ) -> None:
        self._members, self._domain, self._journal = members, domain, journal
        self._logs, self._on_wait = logs, on_wait
        self._client = ControlClient()
        self._startup = StartupWatch()
        self._all_were_inactive = False

    def step(self) -> str:
        """Activate what is ready; returns the error for nodes that are overdue, empty if none is."""
        if not any(member.is_beginning for member in self._members.values()):
            return ""
        endpoints = {endpoint.name: endpoint for endpoint in self._domain.endpoints()}
        self._activate_ready(endpoints)
        return self._overdue(endpoints)

    def forget(self, name: str) -> None:
        """Stop waiting for a node that has ended."""
        self._client.forget(name)

    def close(self) -> None:
        """Stop waiting for all nodes."""
        self._client.close()

    def _activate_ready(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Activate nodes as they become inactive; at first only when all of them are."""
        for name, member in self._members.items():
            found = endpoints.get(name)
            if member.phase == "starting" and found is not None and found.state == "inactive":
                member.phase = "inactive"
                member.only_reads = found.publishes.keys() <= {DIAGNOSTICS}
        waits = any(member.phase in ("waiting", "starting") for member in self._members.values())
        self._all_were_inactive = self._all_were_inactive or not waits
        for name, member in self._members.items():
            if member.phase == "inactive" and self._all_were_inactive and name in endpoints:
                request = Activate(readers=readers_of(endpoints[name], endpoints))
                self._client.ask(name, endpoints[name].control, request)
                member.phase, member.due_s = "activating", self._journal.now_s() + START_S
        for name, answer in self._client.answers().items():
            if not answer.error:  # after an error the node exits by itself
                self._members[name].phase, self._members[name].has_been_active = "active", True
                self._journal.add(name, "active", "")

    def _overdue(self, endpoints: Mapping[str, Endpoint]) -> str:
        """Tell which nodes are not active yet; returns the error if one is overdue."""
        awaited = {}
        for name, member in self._members.items():
            if member.phase == "starting":
                awaited[name] = "configuring" if name in endpoints else "importing its program"
            elif member.phase == "activating":
                awaited[name] = "waiting for the readers of its topics"
        now_s = self._journal.now_s()
        if line := self._startup.line(now_s, awaited):
            self._on_wait(f"{line}; logs: {self._logs}")
        late = {name: what for name, what in awaited.items() if now_s > self._members[name].due_s}
        logs = (self._logs / f"{self._members[name].spec.process_name}.log" for name in late)
        return startup_error(late, logs) if late else ""


def readers_of(endpoint: Endpoint, endpoints: Mapping[str, Endpoint]) -> dict[str, int]:
    """The number of other nodes that read each topic of `endpoint`; topics without readers are left out."""
    others = [other for other in endpoints.values() if other.name != endpoint.name]
    counts = {
        topic: sum(topic in other.subscribes or ANY in other.subscribes for other in others)
        for topic in endpoint.publishes
    }
    return {topic: count for topic, count in counts.items() if count}
