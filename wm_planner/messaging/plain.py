"""Messages as plain values, for people and for JSON."""

import dataclasses
from typing import Any

import numpy as np

from wm_planner.messaging.messages import STORE, Message

MOST_VALUES = 32
"""Longer arrays are shown as their size and type."""


def fields_of(message: Message) -> list[str]:
    """The names of a message's fields, without its constants."""
    constants = {name for name, *_ in STORE.fielddefs[message.__msgtype__][0]} | {"__msgtype__"}
    return [field.name for field in dataclasses.fields(message) if field.name not in constants]


def plain(value: Any, most: int | None = MOST_VALUES) -> Any:
    """A message, or a part of one, as mappings, lists, numbers and text.

    Args:
        most: values of the longest array that is written out; None for all.
    """
    if dataclasses.is_dataclass(value):
        return {name: plain(getattr(value, name), most) for name in fields_of(value)}
    if isinstance(value, np.ndarray):
        if most is not None and value.size > most:
            return f"<{value.size} values of {value.dtype}>"
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [plain(item, most) for item in value]
    return value
