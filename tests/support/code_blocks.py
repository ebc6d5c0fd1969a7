"""The fenced code blocks of a Markdown page, and a folder to run them in that looks like a checkout."""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHELVES = ("sim", "nodes", "models", "launch", "examples")

_FENCE = re.compile(
    r'^(?P<indent> *)```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^(?P=indent)```$',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One block; `title` is the file that its text belongs in, or empty."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page that users read."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(
            page,
            text.count("\n", 0, match.start()) + 1,
            match["language"],
            match["title"] or "",
            re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE),
        )
        for match in _FENCE.finditer(text)
    ]


def commands(block: Block) -> Iterator[list[str]]:
    """The command lines of a shell block as words, without comments."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def checkout(folder: Path) -> Path:
    """A folder whose shelves are links to the files of this checkout; what is written there stays there."""
    for shelf in SHELVES:
        for path in sorted((ROOT / shelf).rglob("*")):
            link = folder / path.relative_to(ROOT)
            if path.is_dir() and path.name not in ("node_modules", "__pycache__"):
                link.mkdir(parents=True)
            elif path.is_file() and link.parent.is_dir():
                link.symlink_to(path)
    return folder


def environment() -> dict[str, str]:
    """Of a shell that has the `wm` and `python` of this process, and the engine of this checkout."""
    programs = Path(sys.executable).parent
    found = os.environ.get("PYTHONPATH", "")
    return os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [found])]),
        "COLUMNS": "110",
    }
