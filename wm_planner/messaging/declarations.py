"""Topics of your own: declared by a launch file or a node program, and told to the others by its record."""

from typing import Any

from wm_planner.config import Config
from wm_planner.errors import MessagingError
from wm_planner.messaging import topics
from wm_planner.messaging.messages import SHIPPED, definition, message_class, register
from wm_planner.messaging.topics import Topic


class Declaration(Config, frozen=True, kw_only=True):
    """A topic that the table of shipped topics does not have.

    Attributes:
        topic: its name; `<name>` stands for one part of it, as in `/force/<name>`.
        type: ROS 2 name of the message type, e.g. `my_robot_msgs/msg/Force`.
        msg: the `.msg` text of the type; empty for a type that is known already.
        latched: a new reader gets the last message at once.
        latest_only: in realtime, a slow reader skips to the newest message.
        note: publishers, readers, rate.
        measured: fields that hold wall time, which `wm bag check` does not compare; `["*"]` for all.
    """

    topic: str
    type: str
    msg: str = ""
    latched: bool = False
    latest_only: bool = False
    note: str = ""
    measured: tuple[str, ...] = ()

    def add(self) -> None:
        """Add the topic to the table of this process, and its type to the type store; once is enough.

        Raises:
            MessagingError: if a name or the text cannot be used, or this process knows the topic or the type
                with another definition.
        """
        if self.msg:
            register(self.type, self.msg)
        topics.add(Topic(self.topic, self.type, self.latched, self.latest_only, self.note, self.measured))


def declare(
    topic: str,
    type_name: str,
    msg: str = "",
    *,
    latched: bool = False,
    latest_only: bool = False,
    note: str = "",
    measured: tuple[str, ...] = (),
) -> Any:
    """Declare a topic of your own, at the top of a node program; see `Declaration` for the arguments.

    Returns:
        The class of its messages.

    Raises:
        MessagingError: as `Declaration.add`.
    """
    Declaration(
        topic=topic,
        type=type_name,
        msg=msg,
        latched=latched,
        latest_only=latest_only,
        note=note,
        measured=measured,
    ).add()
    return message_class(type_name)


def declaration_of(topic: str) -> Declaration | None:
    """The declaration of a topic for other processes; None for a shipped topic, which they know.

    Raises:
        MessagingError: if the topic is unknown.
    """
    row = topics.find(topic)
    if row in topics.TOPICS:
        return None
    return Declaration(
        topic=topic,
        type=row.type,
        msg="" if row.type in SHIPPED else definition(row.type),
        latched=row.latched,
        latest_only=row.latest_only,
        note=row.note,
        measured=row.measured,
    )


def add_all(declarations: tuple[Declaration, ...], source: str) -> None:
    """Add declarations of another process or of a file.

    Raises:
        MessagingError: as `Declaration.add`, beginning with `source`.
    """
    for each in declarations:
        try:
            each.add()
        except MessagingError as error:
            raise MessagingError(f"{source}: {error}") from None
