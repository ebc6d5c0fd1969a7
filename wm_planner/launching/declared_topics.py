"""The topics that a launch file declares, and the facts of nodes whose topics have other names on the bus."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from wm_planner import share
from wm_planner.errors import ConfigError, placed
from wm_planner.messaging.declarations import Declaration
from wm_planner.messaging.names import Names
from wm_planner.node.facts import Placed


def declared(entries: Iterable[Declaration], where: str) -> tuple[Declaration, ...]:
    """The declarations of a launch file, checked, with the text of each `.msg` file.

    Args:
        entries: whose `msg` is a text or the path of a `.msg` file.
        where: path of the launch file.

    Raises:
        ConfigError: if a file cannot be read.
        MessagingError: if a name or text cannot be used, or another topic or type has the name.
    """
    found = []
    for index, entry in enumerate(entries):
        place = f"{where}: topics[{index}]"
        with placed(place):
            found.append(msgspec.structs.replace(entry, msg=_text(entry.msg, f"{place}.msg")))
            found[-1].add()
    return tuple(found)


def _text(msg: str, where: str) -> str:
    if not msg.endswith(".msg"):
        return msg
    with placed(where):
        path = share.find(msg)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: {path} cannot be read ({error})") from None


def check_names(namespace: str, remap: dict[str, str], where: str) -> None:
    """Refuse a namespace or remapped names that are not names of topics.

    Raises:
        MessagingError: naming the place.
    """
    with placed(where):
        Names(namespace, remap)


def facts_by_namespace(nodes: Sequence[tuple[str, bool, Placed]]) -> Iterator[list[Placed]]:
    """The facts of the nodes of each namespace, which hear each other.

    Facts speak of topics by the names in programs, so a node with remapped topics is not compared by them.

    Args:
        nodes: the namespace of each node, whether it has remapped topics, and its place with its facts.
    """
    for namespace in dict.fromkeys(namespace for namespace, _, _ in nodes):
        yield [
            (place, dataclasses.replace(facts, offers={}, needs={}) if is_remapped else facts)
            for own, is_remapped, (place, facts) in nodes
            if own == namespace
        ]
