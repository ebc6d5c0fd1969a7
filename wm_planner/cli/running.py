"""What the commands on running nodes share: the option for the domain, and their output."""

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from wm_planner.terminal import console, table

if TYPE_CHECKING:
    from wm_planner.messaging.control import Answer, Request

DomainName = Annotated[
    str | None, typer.Option("--domain", help="name of the run; needed only if several are running")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def print_json(value: Any) -> None:
    """Print a value as one line of JSON; NaN becomes null."""
    console.out(msgspec.json.encode(value).decode(), highlight=False)


def print_rows(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text as a table."""
    made = table(title, heads[0])
    for head in heads[1:]:
        made.add_column(head, overflow="fold")
    for row in rows:
        made.add_row(*row)
    console.print(made)


def ignore_suspension() -> None:
    """Ignore Ctrl-Z: a suspended reader of a lockstep run would stop the run."""
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)


def ask_node(node: str, domain: str | None, request: "Request") -> "Answer":
    """Send a request to a node of a running domain, and wait for its answer.

    Raises:
        ConfigError: if the node refuses it.
        MessagingError: if there is no such node, or it does not answer.
    """
    from wm_planner.errors import ConfigError
    from wm_planner.messaging.control import ask
    from wm_planner.messaging.running import domain_named, node_named

    answer = ask(node_named(domain_named(domain), node), request)
    if answer.error:
        raise ConfigError(answer.error)
    return answer
