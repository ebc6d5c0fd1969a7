"""Conversion of YAML text to plain values, within limits: a small text cannot become a huge value."""

import re
from typing import Any

import yaml

from wm_planner.errors import ConfigError

MAX_DEPTH = 64
MAX_VALUES = 100_000
"""Values in a document once its aliases are written out; the largest card has about 200."""


def parse(text: str, where: str) -> Any:
    """The value that YAML text describes.

    Args:
        where: the text's origin, for errors.

    Raises:
        ConfigError: with the line, if the text is not valid YAML, has a value that does not fit its type
            (2001-99-99), is nested deeper than `MAX_DEPTH`, or has more than `MAX_VALUES` values.
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ConfigError(f"{where}{line}: not valid YAML ({problem})") from None


class _Loader(yaml.SafeLoader):
    """A safe loader whose every failure is a `yaml.YAMLError` with a line."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _refused(f"nested deeper than {MAX_DEPTH} levels", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_document(self) -> yaml.Node | None:
        node: yaml.Node | None = super().compose_document()
        if node is not None and _size(node, {}) > MAX_VALUES:
            raise _refused(f"more than {MAX_VALUES} values, counted with aliases", node.start_mark)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()  # a lone surrogate, as in "\ud800", is no character
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            kind = node.tag.removeprefix("tag:yaml.org,2002:")
            raise _refused(f"{_shortened(node.value)} is not a valid {kind}", node.start_mark) from None
        return value


_Loader.add_implicit_resolver(  # 1e-3, which YAML 1.1 reads as text; without its sign, 71580e6 is a revision
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+][0-9]+$"), list("-+0123456789")
)


def _size(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """The number of values below `node` with aliases written out; `known` maps nodes to their sizes."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if known.get(node) == 0:
        raise _refused("an alias refers to a value that contains it", node.start_mark)
    if node not in known:
        known[node] = 0  # until it is counted
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(child,) for child in node.value]
        known[node] = 1 + sum(_size(child, known) for pair in pairs for child in pair)
    return known[node]


def _refused(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
