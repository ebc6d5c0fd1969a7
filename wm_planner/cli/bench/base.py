"""The group of benchmark commands, and the options that they share."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="Measure this installation; prints every figure of the documentation."
)
Models = Annotated[list[str], typer.Option("--model", help="bundle; repeatable")]
Positive = Annotated[int, typer.Option(min=1)]
SHIPPED = ["models/bundles/panda_reach", "models/bundles/panda_reach_small"]
