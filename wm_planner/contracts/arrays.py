"""Arrays of any namespace of the array API standard."""

from typing import Any, TypeAlias

import array_api_compat
import numpy as np

Array: TypeAlias = Any
"""An array of any namespace of the array API standard (NumPy, torch, ...)."""


_NUMPY = array_api_compat.array_namespace(np.empty(0))


def namespace(array: Array) -> Any:
    """The array API namespace of an array.

    Planners ask ten times a round, which with the library's own answer was an eighth of what CEM takes.
    """
    return _NUMPY if type(array) is np.ndarray else array_api_compat.array_namespace(array)


def match(values: Array, like: Array) -> Array:
    """`values` in the namespace and type, and on the device, of the array `like`."""
    if isinstance(like, np.ndarray):
        return np.asarray(values, dtype=like.dtype)  # what follows takes four times as long
    xp = namespace(like)
    return xp.asarray(values, dtype=like.dtype, device=array_api_compat.device(like))
