"""What the public doors of this folder ask of arrays."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]


def checked(array: ArrayLike, name: str, *axes: int | None) -> Floats:
    """`array` as float64 whose last axes have these lengths, None for any.

    Raises:
        ShapeError: if its shape is another.
    """
    values = np.asarray(array, np.float64)
    last = values.shape[values.ndim - len(axes) :] if values.ndim >= len(axes) else ()
    if len(last) != len(axes) or any(a not in (None, n) for a, n in zip(axes, last, strict=True)):
        wanted = ", ".join("any" if a is None else str(a) for a in axes)
        raise ShapeError(f"{name} has shape {values.shape}, wanted (..., {wanted})")
    return values


def finite(array: ArrayLike, name: str, *axes: int | None) -> Floats:
    """`checked`, and every number finite: what is absent must be left out first.

    Raises:
        ShapeError: if its shape is another, or a number is not finite.
    """
    values = checked(array, name, *axes)
    if not np.isfinite(values).all():
        wrong = int((~np.isfinite(values)).sum())
        raise ShapeError(f"{name} hold {wrong} numbers that are not finite: leave out who is absent")
    return values
