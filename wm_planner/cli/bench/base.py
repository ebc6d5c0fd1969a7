"""What the benchmarks' commands share."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="Measure this installation; every figure of the docs comes from here."
)
Models = Annotated[list[str], typer.Option("--model", help="bundle; give several times")]
Positive = Annotated[int, typer.Option(min=1)]
SHIPPED = ["models/bundles/panda_reach", "models/bundles/panda_reach_small"]
