"""XML elements and numbers in the form of CommonRoad's schemas."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from lxml import etree

from wm_planner.errors import ScenarioError

Node: TypeAlias = Any  # an element of lxml


def node(tag: str, *children: Node, text: str | None = None, **attributes: str) -> Node:
    """An element with children, text and attributes."""
    element = etree.Element(tag, attributes)
    element.text = text
    element.extend(children)
    return element


def refs(tag: str, ids: Iterable[int]) -> list[Node]:
    """Elements that refer to ids."""
    return [node(tag, ref=str(i)) for i in ids]


def number(tag: str, value: float) -> Node:
    """An element with a decimal number that is read back exactly."""
    return node(tag, text=decimal(value))


def decimal(value: float) -> str:
    """The shortest decimal without an exponent that is read back exactly.

    Raises:
        ScenarioError: if the number is not finite.
    """
    if not np.isfinite(value):
        raise ScenarioError(f"a scenario cannot be written with the number {value}, wanted finite ones")
    return np.format_float_positional(float(value), trim="0")


def point(xy: Iterable[float], tag: str = "point") -> Node:
    """A point x, y in m."""
    x, y = xy
    return node(tag, number("x", x), number("y", y))


def exact(tag: str, value: float) -> Node:
    """An exact quantity."""
    return node(tag, number("exact", value))


def interval(tag: str, ends: tuple[float, float]) -> Node:
    """A quantity between two bounds."""
    return node(tag, number("intervalStart", ends[0]), number("intervalEnd", ends[1]))


def steps(first: int, last: int) -> Node:
    """The time from the first to the last step; exact if they are equal."""
    if first == last:
        return node("time", node("exact", text=str(first)))
    return step_interval(first, last)


def step_interval(first: int, last: int) -> Node:
    """The time interval from the first to the last step."""
    return node("time", node("intervalStart", text=str(first)), node("intervalEnd", text=str(last)))


def document(root: Node) -> bytes:
    """The bytes of a file, with one line per point and per state."""
    etree.indent(root)
    for element in root.iterfind("./*/*/*"):
        for inner in element.iter():
            inner.text = inner.text if len(inner) == 0 else None
            inner.tail = inner.tail if inner is element else None
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"
    return text


def save(root: Node, path: Path) -> None:
    """Write a file atomically.

    Raises:
        ScenarioError: if it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(document(root))
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ScenarioError(f"{path}: cannot be written ({error.strerror})") from None
