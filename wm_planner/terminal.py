"""The terminal: one console, and one look for all tables."""

import os
import sys

from rich import box
from rich.console import Console
from rich.table import Table

_WIDTH_ELSEWHERE = 100  # characters, where the output is a file or a pipe

console = Console(
    highlight=False,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH_ELSEWHERE,
)


def table(title: str, first: str, *others: str) -> Table:
    """An empty table: the first column to the left, figures to the right.

    Args:
        title: what the figures are.
        first: head of the column that names the rows.
        others: heads of the columns of figures.
    """
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    made.add_column(first, overflow="fold")
    for head in others:
        made.add_column(head, justify="right", no_wrap=True)
    return made
