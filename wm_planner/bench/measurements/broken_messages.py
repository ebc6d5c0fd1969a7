"""Messages that are broken at random, and equally so for equal random numbers."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import MessagingError
from wm_planner.messaging import codec
from wm_planner.messaging.messages import Message

FLOATS = (float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 1e-9, 1e-3, 0.5, 1e9, 1e30, -1e30, 1e300)
INTS = (0, 1, -1, 2, 7, 100, 2**31 - 1, -(2**31), 2**32 - 1)
TEXTS = ("", "x", "joint1", "rad", "deg", "map", "\0", "x" * 300)
MOST = 3  # fields of a message that are broken at once
BYTES = 0.15  # share of broken messages whose bytes are broken, not their fields


def broken(message: Message, draw: random.Random) -> bytes:
    """The CDR bytes of a message with fields of other values, or with other bytes; it changes `message`."""
    data = codec.encode(message)
    if draw.random() < BYTES:
        return _broken_bytes(data, draw)
    for _ in range(draw.randint(1, MOST)):
        _break_field(message, draw)
        try:
            data = codec.encode(message)
        except MessagingError:  # a value that its type has no bytes for
            break
    return data


def _break_field(message: Message, draw: random.Random) -> None:
    """Give one field of a message, or of a message in it, another value."""
    name = draw.choice([each for each in message.__dataclass_fields__ if not each.startswith("_")])
    value = getattr(message, name)
    if hasattr(value, "__msgtype__"):
        _break_field(value, draw)
    else:
        setattr(message, name, _other(value, draw))


def _other(value: Any, draw: random.Random) -> Any:
    """A value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice((*INTS, value - 1, value + 1))
    if isinstance(value, float):
        return draw.choice((*FLOATS, -value, 2 * value))
    if isinstance(value, str):
        return draw.choice(TEXTS)
    if isinstance(value, np.ndarray):
        return _other_array(value, draw)
    return _other_list(list(value), draw)


def _other_array(values: NDArray[Any], draw: random.Random) -> NDArray[Any]:
    kind = draw.randrange(5)
    if kind == 0 or not len(values):
        return np.concatenate([values, np.zeros(draw.randint(1, 9), values.dtype)])
    if kind == 1:
        return values[: draw.randrange(len(values))].copy()
    if kind == 2:
        return np.roll(values, 1)
    changed = values.copy()
    for _ in range(draw.randint(1, 3)):
        wanted = draw.choice(FLOATS if values.dtype.kind == "f" else INTS)
        with np.errstate(over="ignore"):
            changed[draw.randrange(len(values))] = np.asarray(wanted).astype(values.dtype)
    return changed


def _other_list(values: list[Any], draw: random.Random) -> list[Any]:
    kind = draw.randrange(4)
    if kind == 0 or not values:
        return values[:1] * draw.randint(0, 2)
    if kind == 1:
        return values[: draw.randrange(len(values))]
    at = draw.randrange(len(values))
    if kind == 2:
        return [*values, values[at]]
    if hasattr(values[at], "__msgtype__"):
        _break_field(values[at], draw)
    else:
        values[at] = _other(values[at], draw)
    return values


def _broken_bytes(data: bytes, draw: random.Random) -> bytes:
    """Bytes that are cut off, too many, or others in a few places."""
    changed, kind = bytearray(data), draw.randrange(4)
    if kind == 0:
        return data[: draw.randrange(len(data))]
    if kind == 1:
        return data + bytes(draw.randint(1, 64))
    for at in _places(len(data), draw):
        changed[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(changed)


def _places(size: int, draw: random.Random) -> Iterator[int]:
    return (draw.randrange(size) for _ in range(draw.randint(1, 4)))
