"""Choice between kernels compiled by numba and NumPy, with identical results.

numba is part of the extra `drive`. The kernels are in kernels.py, which needs numba to be imported; their
callers check `is_compiled()` first.
"""

import functools
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

_numpy_only = ContextVar("_numpy_only", default=False)


def is_compiled() -> bool:
    """Whether to use numba: it is installed, and `numpy_only` is not active."""
    return not _numpy_only.get() and _has_numba()


@contextmanager
def numpy_only() -> Iterator[None]:
    """Context in which NumPy is used instead of numba, to compare results and run times."""
    token = _numpy_only.set(True)
    try:
        yield
    finally:
        _numpy_only.reset(token)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of numbers and arrays at its first call, and cache it on disk if possible."""
    from numba import njit

    try:
        return cast(Callable[P, R], njit(cache=True, nogil=True)(function))
    except RuntimeError:  # neither the package's nor the user's cache folder is writable
        return cast(Callable[P, R], njit(nogil=True)(function))


@functools.cache
def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None
