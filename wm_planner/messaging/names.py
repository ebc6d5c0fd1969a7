"""The names of a node's topics on the bus: its namespace and its remapped topics, as in ROS 2."""

from collections.abc import Mapping
from types import MappingProxyType

from wm_planner.errors import MessagingError, did_you_mean
from wm_planner.messaging import topics

GLOBAL = ("/clock", "/diagnostics")
"""Topics that all namespaces share."""


class Names:
    """Translates between the names in a node's program and those on the bus.

    Args:
        namespace: put before every topic but `GLOBAL`: `left` turns `/plan` into `/left/plan`.
        remap: name in the program to name on the bus, which the namespace does not change.

    Raises:
        MessagingError: if a name is not one of a topic.
    """

    def __init__(self, namespace: str = "", remap: Mapping[str, str] = MappingProxyType({})) -> None:
        if namespace:
            topics.check_name(f"/{namespace}", f"namespace '{namespace}'")
        for theirs in remap.values():
            topics.check_name(theirs, f"remap to '{theirs}'")
        self._namespace, self._remap = namespace, dict(remap)
        self._on_bus: dict[str, str] = {}
        self._in_node: dict[str, str] = {}

    def on_bus(self, topic: str) -> str:
        """The name on the bus of a topic, which the table has from now on.

        Raises:
            MessagingError: if the topic is unknown, or its name on the bus is that of another topic.
        """
        if topic in self._on_bus:
            return self._on_bus[topic]
        row = topics.find(topic)
        prefix = f"/{self._namespace}" if self._namespace and topic not in GLOBAL else ""
        name = self._remap.get(topic, prefix + topic)
        if (other := self._in_node.get(name)) is not None:
            raise MessagingError(
                f"{name} is both {other} and {topic} of this node; remap one of them elsewhere"
            )
        if name != topic:
            topics.add(row._replace(pattern=name))
        self._on_bus[topic], self._in_node[name] = name, topic
        return name

    def in_node(self, name: str) -> str:
        """The name in the node's program of a topic on the bus; unchanged if the node has no such topic."""
        return self._in_node.get(name, name)

    def check_used(self) -> None:
        """Refuse what is remapped although the node has not declared it.

        Raises:
            MessagingError: naming the closest topic of the node.
        """
        for topic in self._remap:
            if topic not in self._on_bus:
                raise MessagingError(
                    f"remap: the node has no topic '{topic}', {did_you_mean(topic, self._on_bus)}"
                )
