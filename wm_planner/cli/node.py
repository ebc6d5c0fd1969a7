"""`wm node`: the nodes that run now."""

import typer

from wm_planner.cli.running import DomainName, Json, print_json, print_rows

app = typer.Typer(no_args_is_help=True, help="Show the nodes that run now.")


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
