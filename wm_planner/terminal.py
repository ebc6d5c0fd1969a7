"""The terminal: one console, and the style of all tables and progress bars."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
"""Exit code after Ctrl-C, as in a shell."""

_PIPE_WIDTH = 100  # characters, if the output is a file or a pipe


class _Terminal(Console):
    """A console that discards output after its reader has closed the pipe (`wm launch x | head -1`)."""

    def on_broken_pipe(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Headed(Table):
    """A table below a heading that may be as wide as the terminal."""

    def __init__(self, heading: str) -> None:
        super().__init__(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        self._heading = heading

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self._heading, style="bold")
        yield from super().__rich_console__(console, options)


def _width() -> int | None:
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return None if is_terminal or "COLUMNS" in os.environ else _PIPE_WIDTH


console = _Terminal(highlight=False, width=_width())


def table(title: str, first: str, *others: str) -> Table:
    """An empty table; the first column is left-aligned, figures are right-aligned.

    Args:
        title: describes the figures.
        first: header of the column that names the rows.
        others: headers of the columns of figures.
    """
    made = _Headed(title)
    made.add_column(first, overflow="fold")
    for head in others:
        made.add_column(head, justify="right", no_wrap=True)
    return made


@contextmanager
def resumable() -> Iterator[None]:
    """End the program after Ctrl-C, and say that the same command continues."""
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        sys.exit(INTERRUPTED)


class Bar:
    """The progress of a long task: a bar with a description in a terminal, a line per description elsewhere.

    Nothing is shown before the first update, so that only one of several processes shows a bar.

    Args:
        what: the counted items, e.g. "episodes".
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

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` items are done; the time left ignores those of the first call."""
        if self._task is None:
            self._task = self._progress.add_task(self._what, total=total, completed=done, words="")
        self._progress.update(self._task, completed=done)

    def describe(self, words: str, line: str) -> None:
        """Show `words` next to the bar, or without a bar print `line`."""
        if self._progress.disable:
            console.print(line, soft_wrap=True)
        elif self._task is not None:
            self._progress.update(self._task, words=words)
