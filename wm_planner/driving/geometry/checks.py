"""Shape checks of array arguments."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wm_planner.errors import ShapeError

Floats = NDArray[np.float64]


def checked(array: ArrayLike, name: str, *axes: int | None) -> Floats:
    """`array` as float64, after a check of its trailing axes.

    Args:
        name: of the array, for errors.
        axes: required lengths of the trailing axes, None for any.

    Raises:
        ShapeError: if the shape is different.
    """
    values = np.asarray(array, np.float64)
    last = values.shape[values.ndim - len(axes) :] if values.ndim >= len(axes) else ()
    if len(last) != len(axes) or any(a not in (None, n) for a, n in zip(axes, last, strict=True)):
        wanted = ", ".join("any" if a is None else str(a) for a in axes)
        raise ShapeError(f"{name} has shape {values.shape}, wanted (..., {wanted})")
    return values


def finite(array: ArrayLike, name: str, *axes: int | None) -> Floats:
    """`checked`, which also requires finite values: leave out absent agents before.

    Raises:
        ShapeError: if the shape is different, or a value is not finite.
    """
    values = checked(array, name, *axes)
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ShapeError(f"{name} hold {count} values that are not finite: leave out absent agents")
    return values
