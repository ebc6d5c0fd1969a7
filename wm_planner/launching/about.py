"""The documentation in a launch file: its opening comment, and its arguments with defaults and comments."""

import re
from pathlib import Path
from typing import NamedTuple

import yaml

from wm_planner import share
from wm_planner.launching import file as launch_file
from wm_planner.launching.arguments import arguments

_COMMENT = re.compile(r"\s+#\s*(.*)")


class Argument(NamedTuple):
    """An argument of a launch file.

    Attributes:
        default: as written in the file.
        comment: the comment on the same line; may be empty.
    """

    name: str
    default: str
    comment: str


class About(NamedTuple):
    """The documentation of a launch file.

    Attributes:
        lines: of the opening comment, without the number signs.
        arguments: in the file's order.
    """

    lines: tuple[str, ...]
    arguments: tuple[Argument, ...]

    @property
    def title(self) -> str:
        """The first line; empty without an opening comment."""
        return self.lines[0] if self.lines else ""


def launch_files() -> dict[str, About]:
    """The shipped launch files and those in `launch/`, by name."""
    names = [Path(entry).stem for entry in share.listing("launch", ".yaml")]
    return {name: about(launch_file.find(name)) for name in names}


def about(path: Path) -> About:
    """Read the documentation of a launch file.

    Raises:
        ConfigError: if the file or its arguments are not a YAML mapping, or it cannot be read.
    """
    arguments(path)
    text = path.read_text(encoding="utf-8")
    opening = re.match(r"(?:#.*\n)*", text)
    lines = (
        line.removeprefix("#").removeprefix(" ") for line in (opening[0] if opening else "").splitlines()
    )
    return About(tuple(line.rstrip() for line in lines), tuple(_arguments(text)))


def _arguments(text: str) -> list[Argument]:
    document = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(document, yaml.MappingNode)
    values = [value for key, value in document.value if key.value == "args"]
    pairs = values[0].value if values and isinstance(values[0], yaml.MappingNode) else []
    return [
        Argument(
            name.value, text[value.start_mark.index : value.end_mark.index].strip(), _comment(text, value)
        )
        for name, value in pairs
    ]


def _comment(text: str, value: yaml.Node) -> str:
    """The comment that follows a value on its line."""
    found = _COMMENT.match(text[value.end_mark.index :].partition("\n")[0])
    return found[1].rstrip() if found else ""
