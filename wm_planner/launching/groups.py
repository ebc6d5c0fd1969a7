"""Groups of a launch file: nodes that share a process, and what keeps them from it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wm_planner.errors import ConfigError
from wm_planner.messaging.domain import check_name
from wm_planner.node.node import Mode, Node


class Grouped(NamedTuple):
    """A node of a launch file.

    Attributes:
        name: of the node.
        group: name of its group; empty for a process of its own.
        node: class of the node.
        policies: settings of its process, which all nodes of a group share, by their keys in the launch file.
    """

    name: str
    group: str
    node: type[Node]
    policies: Mapping[str, object]


def check_groups(nodes: Sequence[Grouped], clock: Mode, where: str) -> None:
    """Check that the nodes of each group can share a process.

    Args:
        where: path of the launch file.

    Raises:
        ConfigError: if a group has the name of a node, its nodes contradict each other in what a process can
            have only once, or one of them needs a process of its own; names group and nodes.
        MessagingError: if the name of a group is not a plain name.
    """
    names = {node.name for node in nodes}
    for group in dict.fromkeys(node.group for node in nodes if node.group):
        check_name(f"{where}: group '{group}'", group)
        if group in names:
            raise ConfigError(
                f"{where}: group '{group}' has the name of a node, and both have a log: rename one of them"
            )
        _check(group, [node for node in nodes if node.group == group], clock, where)


def _check(group: str, members: Sequence[Grouped], clock: Mode, where: str) -> None:
    for key in members[0].policies:
        found: dict[str, list[str]] = {}
        for member in members:
            found.setdefault(str(member.policies[key]), []).append(member.name)
        if len(found) > 1:
            said = "; ".join(f"{value} ({', '.join(these)})" for value, these in found.items())
            raise ConfigError(
                f"{where}: the nodes of group '{group}' contradict each other in {key}: {said}; they share a "
                "process, which can have only one: give all of them the same, or take some out of the group"
            )
    alone = [member.name for member in members if member.node.alone_in_realtime]
    if clock == "realtime" and alone and len(members) > 1:
        others = ", ".join(member.name for member in members if member.name not in alone)
        raise ConfigError(
            f"{where}: {', '.join(alone)} cannot be in group '{group}' with {others or 'each other'} in "
            "realtime: it must keep its rate while they compute, and go on when they fail; leave out its "
            "`group`, or set `clock: lockstep`"
        )
