"""The first field in which two messages differ."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.messaging.messages import Message, NamedArray, named_arrays_of
from wm_planner.messaging.plain import fields_of, plain


@dataclass(frozen=True)
class Difference:
    """Two values that differ.

    Attributes:
        field: path in the message, e.g. `actions[3]`.
    """

    field: str
    recorded: Any
    replayed: Any


def first_difference(
    recorded: Message, replayed: Message, tolerance: float = 0.0, without: tuple[str, ...] = ()
) -> Difference | None:
    """Compare two messages of one type field by field; NaN equals NaN.

    Args:
        tolerance: absolute and relative difference up to which floats are equal.
        without: fields that are not compared.

    Returns:
        The first difference in the order of the fields; None if the messages are equal.
    """
    for name in fields_of(recorded):
        if name not in without:
            found = _compared(name, getattr(recorded, name), getattr(replayed, name), tolerance)
            if found is not None:
                return found
    return None


def _compared(field: str, one: Any, other: Any, tolerance: float) -> Difference | None:
    if isinstance(one, NamedArray) and (one.name, one.dtype) == (other.name, other.dtype):
        one, other = (named_arrays_of([each])[each.name] for each in (one, other))
        field = f"{field}.data"
    if isinstance(one, np.ndarray):
        return _compared_arrays(field, one, other, tolerance)
    if isinstance(one, list):
        if len(one) != len(other):
            return Difference(f"number of {field}", len(one), len(other))
        pairs = ((f"{field}[{index}]", *pair) for index, pair in enumerate(zip(one, other, strict=True)))
        return next(filter(None, (_compared(*pair, tolerance) for pair in pairs)), None)
    if hasattr(one, "__msgtype__"):
        found = first_difference(one, other, tolerance)
        return found and replace(found, field=f"{field}.{found.field}")
    if isinstance(one, float):
        is_equal = _is_close(np.asarray(one), np.asarray(other), tolerance).item()
    else:
        is_equal = one == other
    return None if is_equal else Difference(field, plain(one), plain(other))


def _compared_arrays(
    field: str, one: NDArray[Any], other: NDArray[Any], tolerance: float
) -> Difference | None:
    if one.shape != other.shape:
        return Difference(f"shape of {field}", list(one.shape), list(other.shape))
    differs = np.flatnonzero(~_is_close(one, other, tolerance))
    if not differs.size:
        return None
    place = [int(index) for index in np.unravel_index(differs[0], one.shape)]
    return Difference(f"{field}{place}", one[tuple(place)].item(), other[tuple(place)].item())


def _is_close(one: NDArray[Any], other: NDArray[Any], tolerance: float) -> NDArray[np.bool_]:
    if not np.issubdtype(one.dtype, np.floating):
        return np.asarray(one == other)
    if tolerance:
        return np.asarray(np.isclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))
    return np.asarray((one == other) | (np.isnan(one) & np.isnan(other)))
