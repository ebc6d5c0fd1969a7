"""The terminal: one console, and one look for all tables."""

import os
import sys

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_WIDTH_ELSEWHERE = 100  # characters, where the output is a file or a pipe


class _Terminal(Console):
    """A console that goes on in silence once nobody reads it any more (`wm launch x | head -1`)."""

    def on_broken_pipe(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Headed(Table):
    """A table whose title is as wide as the terminal, and not as the table."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(str(self.title), style="bold")
        self.title = None
        yield from super().__rich_console__(console, options)


def _width() -> int | None:
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return None if is_terminal or "COLUMNS" in os.environ else _WIDTH_ELSEWHERE


console = _Terminal(highlight=False, width=_width())


def table(title: str, first: str, *others: str) -> Table:
    """An empty table: the first column to the left, figures to the right.

    Args:
        title: what the figures are.
        first: head of the column that names the rows.
        others: heads of the columns of figures.
    """
    made = _Headed(
        title=title,
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    made.add_column(first, overflow="fold")
    for head in others:
        made.add_column(head, justify="right", no_wrap=True)
    return made
