"""Domains in which nodes run now, and what their records tell: nodes, topics, publishers and readers."""

from dataclasses import dataclass

from wm_planner.errors import MessagingError, did_you_mean
from wm_planner.messaging import topics
from wm_planner.messaging.declarations import add_all
from wm_planner.messaging.domain import Domain, Endpoint
from wm_planner.messaging.wire import ANY


@dataclass(frozen=True)
class RunningTopic:
    """A topic of a domain.

    Attributes:
        name: on the bus.
        type: ROS 2 name of its message type.
        latched: a new reader gets the last message at once.
        publishers: names of the nodes that publish it.
        readers: names of the nodes that read it, also those that read everything.
    """

    name: str
    type: str
    latched: bool
    publishers: tuple[str, ...]
    readers: tuple[str, ...]


def domain_named(name: str | None) -> Domain:
    """The domain of a name, or the only one in which nodes run.

    Raises:
        MessagingError: if no node runs there, or if there are several domains and no name; lists them.
    """
    running = {domain.path.name: domain for domain in _running()}
    if name in running:
        return running[name]
    if name is not None:
        raise MessagingError(f"no node runs in domain '{name}', {did_you_mean(name, running)}")
    if len(running) != 1:
        found = (
            f"nodes run in {', '.join(sorted(running))}; choose one by --domain"
            if running
            else "no node runs"
        )
        raise MessagingError(f"{found} (a run's domain has its name: wm launch ... --name NAME)")
    return next(iter(running.values()))


def nodes_of(domain: Domain) -> list[Endpoint]:
    """The records of the nodes of a domain; this process knows their topics from now on.

    Raises:
        MessagingError: if this process knows one of the topics with another definition.
    """
    found = domain.endpoints()
    for endpoint in found:
        add_all(endpoint.declared, f"node '{endpoint.name}'")
    return found


def topics_of(domain: Domain) -> list[RunningTopic]:
    """The topics of a domain, ordered by name."""
    nodes = nodes_of(domain)
    names = {topic for node in nodes for topic in (*node.publishes, *node.subscribes)} - {ANY}
    rows = {name: topics.find(name) for name in sorted(names)}
    return [
        RunningTopic(
            name,
            row.type,
            row.latched,
            tuple(node.name for node in nodes if name in node.publishes),
            tuple(node.name for node in nodes if name in node.subscribes or ANY in node.subscribes),
        )
        for name, row in rows.items()
    ]


def published(domain: Domain, topic: str) -> str:
    """The name of a topic, which a node of the domain publishes.

    Raises:
        MessagingError: if none does; names the closest topic.
    """
    known = [row.name for row in topics_of(domain) if row.publishers]
    if topic not in known:
        raise MessagingError(
            f"no node of domain '{domain.path.name}' publishes '{topic}', {did_you_mean(topic, known)}"
        )
    return topic


def node_named(domain: Domain, name: str) -> Endpoint:
    """The record of a node.

    Raises:
        MessagingError: if no node has that name; names the closest one.
    """
    found = {endpoint.name: endpoint for endpoint in domain.endpoints()}
    if name not in found:
        raise MessagingError(f"no node '{name}' in domain '{domain.path.name}', {did_you_mean(name, found)}")
    return found[name]


def _running() -> list[Domain]:
    """The domains of this user in which at least one node lives."""
    folder = Domain.named("any").path.parent
    paths = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [domain for domain in map(Domain, paths) if domain.endpoints()]
