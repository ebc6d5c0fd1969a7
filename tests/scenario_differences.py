"""What differs between two scenarios, part by part: dataclasses of arrays cannot be compared by ==."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def differences(
    one: Any, other: Any, at: str = "scenario", apart_from: tuple[str, ...] = ()
) -> Iterator[str]:
    """The places at which two values differ, to the last bit; NaN equals NaN."""
    if type(one) is not type(other):
        yield f"{at}: {type(one).__name__} and {type(other).__name__}"
    elif is_dataclass(one):
        for field in fields(one):
            if field.name not in apart_from:
                yield from differences(
                    getattr(one, field.name), getattr(other, field.name), f"{at}.{field.name}"
                )
    elif isinstance(one, Mapping):
        yield from differences(tuple(one.items()), tuple(other.items()), at)
    elif isinstance(one, tuple) and len(one) == len(other):
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{at}[{index}]")
    elif isinstance(one, np.ndarray):
        if one.shape != other.shape or not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            yield f"{at}: arrays {one.shape} and {other.shape} differ"
    elif one != other:
        yield f"{at}: {one!r} and {other!r}"
