"""Read untrusted XML: no entities, no network, no document types, and the file and line in every error."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree

from wm_planner.driving.geometry.shapes import Points
from wm_planner.driving.scenarios.readers.limits import MAX_NUMBER
from wm_planner.errors import ScenarioError

MAX_BYTES = 64 * 2**20
"""Maximum size of a file. Parsed elements take about ten times as much memory."""

MAX_POINTS = 100_000
"""Maximum number of points per polyline."""

_LOCATION = re.compile(r", line \d+, column \d+(?: \(.*\))?$")  # at the end of lxml's messages

_INTEGER = re.compile(r"[+-]?\d{1,18}")


def parse(path: Path) -> "Element":
    """Parse an XML file and return its root.

    Raises:
        ScenarioError: if it cannot be read, is too large, is not valid XML, or declares a document type.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ScenarioError(f"{path}: holds {size} bytes, wanted at most {MAX_BYTES}; split the scenario")
        return parse_bytes(path.read_bytes(), str(path))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror})") from None


def parse_bytes(data: bytes, name: str) -> "Element":
    """Parse an XML document and return its root; `name` identifies it in errors."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, etree.XMLSyntaxError) else ""
        reason = _LOCATION.sub("", str(error))
        raise ScenarioError(f"{name}{line}: not valid XML ({reason})") from None
    if root.getroottree().docinfo.doctype:
        raise ScenarioError(
            f"{name}: declares a document type, which scenarios do not need; remove <!DOCTYPE ...>"
        )
    return Element(root, name)


class Element:
    """An element, with typed access to its content.

    Attributes:
        tag: name of the element.
    """

    __slots__ = ("_file", "_node", "tag")

    def __init__(self, node: Any, file: str) -> None:
        self._node = node
        self._file = file
        self.tag: str = node.tag if isinstance(node.tag, str) else ""

    def __iter__(self) -> Iterator["Element"]:
        return (Element(node, self._file) for node in self._node if isinstance(node.tag, str))

    def error(self, message: str) -> ScenarioError:
        """An error with the file, the line and the element."""
        at = f' id="{self._node.get("id")}"' if self._node.get("id") else ""
        return ScenarioError(f"{self._file}, line {self._node.sourceline}: <{self.tag}{at}> {message}")

    def location(self) -> str:
        """File and line, for notes."""
        return f"{self._file}, line {self._node.sourceline}"

    def find(self, tag: str) -> "Element | None":
        """The first child with this tag; None without one."""
        node = next(self._node.iterchildren(tag), None)  # three times as fast as lxml's find
        return None if node is None else Element(node, self._file)

    def child(self, tag: str) -> "Element":
        """The first child with this tag, which must exist."""
        found = self.find(tag)
        if found is None:
            held = ", ".join(sorted({f"<{child.tag}>" for child in self})) or "nothing"
            raise self.error(f"has no <{tag}>; it holds {held}")
        return found

    def children(self, tag: str) -> list["Element"]:
        """All children with this tag."""
        return [Element(node, self._file) for node in self._node.findall(tag)]

    @property
    def text(self) -> str:
        """The text, stripped."""
        return (self._node.text or "").strip()

    def attribute(self, name: str, default: str | None = None) -> str:
        """An attribute, which must exist unless a default is given."""
        value = self._node.get(name, default)
        if value is None:
            raise self.error(f"has no attribute '{name}'")
        return str(value)

    def id(self, attribute: str = "id") -> int:
        """The element's id, or the id it refers to (`attribute` "ref")."""
        return self._integer(self.attribute(attribute), f"attribute '{attribute}'")

    def ids(self, tag: str) -> tuple[int, ...]:
        """The ids that the children with this tag refer to, without duplicates."""
        return tuple(dict.fromkeys(child.id("ref") for child in self.children(tag)))

    def texts(self, tag: str) -> frozenset[str]:
        """The texts of the children with this tag."""
        return frozenset(child.text for child in self.children(tag))

    def child_text(self, tag: str, default: str) -> str:
        """The text of the first child with this tag, or the default."""
        return self._node.findtext(tag, default).strip() or default

    def number(self) -> float:
        """The text as a finite number."""
        return self._number(self.text)

    def integer(self) -> int:
        """The text as an integer."""
        return self._integer(self.text, "text")

    def point(self) -> tuple[float, float]:
        """The <x> and <y>."""
        return self.child("x").number(), self.child("y").number()

    def points(self) -> Points:
        """The x, y of the <point> children, (P, 2)."""
        nodes = self._node.findall("point")
        if len(nodes) > MAX_POINTS:
            raise self.error(f"has {len(nodes)} points, wanted at most {MAX_POINTS}")
        try:
            texts = [(node.findtext("x"), node.findtext("y")) for node in nodes]
            array = np.array(texts, np.float64).reshape(-1, 2)
        except ValueError:
            array = np.full((1, 2), np.nan)
        if not (np.abs(array) <= MAX_NUMBER).all():
            array = np.array(
                [Element(node, self._file).point() for node in nodes]
            )  # raises for the bad point
        return array

    def _number(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise self.error(f"has '{_short(text)}', wanted a number") from None
        if not abs(value) <= MAX_NUMBER:
            raise self.error(f"has '{_short(text)}', wanted a number of at most {MAX_NUMBER:g}")
        return value

    def _integer(self, text: str, what: str) -> int:
        if not _INTEGER.fullmatch(text.strip()):
            raise self.error(f"has '{_short(text)}' as its {what}, wanted an integer")
        return int(text)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
