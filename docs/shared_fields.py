"""A griffe extension for docstring entries that document two names at once: `low, high: the box, (A,).`"""

import re
from typing import Any

import griffe

_SHARED = re.compile(r"^( +)(\w+(?:, \w+)+)(:.*)$")


class SharedFields(griffe.Extension):
    """Splits an entry of several names, with its continuation lines, into one entry per name."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = split(obj.docstring.value)


def split(docstring: str) -> str:
    lines: list[str] = []
    names: list[str] = []
    entry: list[str] = []
    section = False
    for line in [*docstring.splitlines(), ""]:
        continues = entry and line.startswith(" " * (len(entry[0]) - len(entry[0].lstrip()) + 1))
        if entry and not continues:
            lines += [part for name in names for part in (entry[0].replace("\0", name), *entry[1:])]
            entry = []
        match = _SHARED.match(line) if section else None
        if match:
            names, entry = match[2].split(", "), [f"{match[1]}\0{match[3]}"]
        elif entry:
            entry.append(line)
        else:
            lines.append(line)
        section = (section and (not line or line.startswith(" "))) or line in ("Args:", "Attributes:")
    return "\n".join(lines)
