"""`wm param`: the parameters of running nodes."""

from typing import Annotated, Any

import typer

from wm_planner.cli.running import DomainName, Json, ask_node, print_json
from wm_planner.terminal import console

app = typer.Typer(no_args_is_help=True, help="Show and change the parameters of running nodes.")

Node = Annotated[str, typer.Argument(help="name of a node")]


@app.command()
def get(
    node: Node,
    name: Annotated[str | None, typer.Argument(help="parameter; all of them without it")] = None,
    domain: DomainName = None,
    json: Json = False,
) -> None:
    """Print the parameters of a node; those that can change while it runs are marked."""
    from wm_planner.errors import ConfigError, did_you_mean
    from wm_planner.messaging.control import GetParams

    answer = ask_node(node, domain, GetParams())
    if name is not None and name not in answer.params:
        raise ConfigError(f"{node}: no parameter '{name}', {did_you_mean(name, answer.params)}")
    params = answer.params if name is None else {name: answer.params[name]}
    if json:
        return print_json({"params": params, "changeable": answer.changeable})
    for key, value in params.items():
        mark = "   # can change while it runs" if key in answer.changeable else ""
        console.out(f"{key}: {_yaml(value)}{mark}", highlight=False)
    return None


@app.command("set")
def set_(
    node: Node,
    name: Annotated[str, typer.Argument(help="parameter")],
    value: Annotated[str, typer.Argument(help="its value in YAML")],
    domain: DomainName = None,
    json: Json = False,
) -> None:
    """Change a parameter of a node until it ends; refused if the node does not say that it can."""
    from wm_planner import yaml_text
    from wm_planner.messaging.control import SetParam

    answer = ask_node(node, domain, SetParam(name=name, value=yaml_text.parse(value, f"{name}: '{value}'")))
    if json:
        return print_json({"params": answer.params, "changeable": answer.changeable})
    return console.out(f"{name}: {_yaml(answer.params[name])}", highlight=False)


def _yaml(value: Any) -> str:
    import yaml

    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")
    )
