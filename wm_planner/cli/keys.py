"""`wm keys`: keys for links between hosts."""

from pathlib import Path
from typing import Annotated

import typer

from wm_planner.terminal import console


def keys(
    name: Annotated[str, typer.Argument(help="name of this host")],
    folder: Annotated[Path, typer.Option(help="where the files are written")] = Path("keys"),
) -> None:
    """Make the keys of this host: NAME.key for the other host, NAME.key_secret for this one alone."""
    from wm_planner.messaging.domain import check_name
    from wm_planner.messaging.keys import create

    check_name(f"host '{name}'", name)
    public, secret = create(folder, name)
    console.print(
        f"{public}  give it to the other host: `peer` of its link\n{secret}  keep it: `key` of yours"
    )
