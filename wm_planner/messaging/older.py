"""Messages of recordings made before fields were appended to their type."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_typestore

from wm_planner.errors import MessagingError
from wm_planner.messaging.messages import STORE, Message, defined, definition

Layout = Mapping[str, list[str]]
"""Type name to the lines of its `.msg` text, without comments and blanks."""


class OlderType:
    """A type as an older version defined it: today's without the fields that were appended since.

    Args:
        type_name: of the type, which exists today.
        text: its definition in the recording, with all types in it.

    Raises:
        MessagingError: if the text is not a message definition.
    """

    def __init__(self, type_name: str, text: str) -> None:
        self._type_name = type_name
        self._store = get_typestore(Stores.ROS2_JAZZY)
        known = self._store.types
        types = defined(type_name, text)
        try:
            self._store.register({name: fields for name, fields in types.items() if name not in known})
        except TypesysError as error:
            raise MessagingError(f"{type_name}: the definition cannot be used ({error})") from None

    def decode(self, data: bytes) -> Message:
        """The message in CDR bytes; appended fields are NaN, empty or 0.

        Raises:
            MessagingError: if the bytes are cut off or of another type.
        """
        try:
            old = self._store.deserialize_cdr(memoryview(data), self._type_name)
        except (SerdeError, ValueError, IndexError) as error:
            raise MessagingError(f"{len(data)} bytes are not a {self._type_name}: {error}") from None
        _, fields = STORE.fielddefs[self._type_name]
        values = {name: getattr(old, name) if hasattr(old, name) else _blank(of) for name, of in fields}
        return STORE.types[self._type_name](**values)


def is_current(type_name: str, text: str) -> bool:
    """Whether a definition is today's."""
    return layout(type_name, text) == layout(type_name, definition(type_name))


def is_older(type_name: str, text: str) -> bool:
    """Whether a definition is today's without fields appended to its end."""
    old, new = layout(type_name, text), layout(type_name, definition(type_name))
    appended = new[type_name][: len(old[type_name])] == old[type_name]
    return appended and all(lines == new.get(name) for name, lines in old.items() if name != type_name)


def layout(type_name: str, text: str) -> Layout:
    """The definitions in a `.msg` text, by type name."""
    found: dict[str, list[str]] = {type_name: []}
    current = type_name
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["MSG:"] and len(words) > 1:
            package, _, name = words[1].rpartition("/")
            current = f"{package.removesuffix('/msg')}/msg/{name}"
            found[current] = []
        elif words and set(words[0]) != {"="}:
            found[current].append(" ".join(words))
    return found


def _blank(definition: Any) -> Any:
    """The value of a field that the recording does not have."""
    kind, detail = definition
    if int(kind) in (3, 4):  # arrays and sequences
        element = detail[0]
        return np.empty(0, element[1][0]) if int(element[0]) == 1 and element[1][0] != "string" else []
    name = detail[0] if int(kind) == 1 else ""
    if name.startswith("float"):
        return math.nan
    return "" if name == "string" else 0
