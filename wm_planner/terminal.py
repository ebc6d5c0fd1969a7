"""The terminal: one console, and one look for all tables and for what takes long."""

import os
import sys
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell has it."""

_WIDTH_ELSEWHERE = 100  # characters, where the output is a file or a pipe


class _Terminal(Console):
    """A console that goes on in silence once nobody reads it any more (`wm launch x | head -1`)."""

    def on_broken_pipe(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Headed(Table):
    """A table below a heading that is as wide as the terminal, and not as the table."""

    def __init__(self, heading: str) -> None:
        super().__init__(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        self._heading = heading

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self._heading, style="bold")
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
    made = _Headed(title)
    made.add_column(first, overflow="fold")
    for head in others:
        made.add_column(head, justify="right", no_wrap=True)
    return made


class Bar:
    """How far a long task is: a bar with the last words said in a terminal, a line for all words elsewhere.

    Nothing is shown before the first move, so that of several processes only the one that moves is seen.

    Args:
        what: is counted.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}", table_column=Column(ratio=1, no_wrap=True)),
            console=console,
            expand=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def move(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done; what was done before the first call took no time here."""
        if self._task is None:
            self._task = self._progress.add_task(self._what, total=total, completed=done, words="")
        self._progress.update(self._task, completed=done)

    def say(self, words: str, line: str) -> None:
        """Put `words` beside the bar, or where there is none print `line`."""
        if self._progress.disable:
            console.print(line, soft_wrap=True)
        elif self._task is not None:
            self._progress.update(self._task, words=words)
