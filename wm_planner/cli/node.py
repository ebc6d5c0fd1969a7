"""`wm node`: the nodes that run now."""

from typing import Annotated

import typer

from wm_planner.cli.running import DomainName, Json, ask_node, print_json, print_rows
from wm_planner.terminal import console

app = typer.Typer(no_args_is_help=True, help="Show the nodes that run now, and call their services.")


@app.command("list")
def list_(domain: DomainName = None, json: Json = False) -> None:
    """List the nodes of a run with their state, process and topics."""
    from wm_planner.messaging.running import domain_named, nodes_of

    found = nodes_of(domain_named(domain))
    if json:
        return print_json(
            [
                {
                    "name": node.name,
                    "state": node.state,
                    "pid": node.pid,
                    "publishes": sorted(node.publishes),
                    "reads": sorted(node.subscribes),
                }
                for node in found
            ]
        )
    rows = [
        (
            node.name,
            node.state,
            str(node.pid),
            " ".join(sorted(node.publishes)),
            " ".join(sorted(node.subscribes)),
        )
        for node in found
    ]
    return print_rows("nodes", ("node", "state", "process", "publishes", "reads"), rows)


@app.command()
def call(
    node: Annotated[str, typer.Argument(help="name of a node")],
    service: Annotated[str, typer.Argument(help="e.g. reset_emergency_stop of the controller")],
    domain: DomainName = None,
) -> None:
    """Call a service of a running node, such as emergency_stop of the controller."""
    from wm_planner.messaging.control import Call

    ask_node(node, domain, Call(service=service))
    console.out(f"{node}: {service} done", highlight=False)
