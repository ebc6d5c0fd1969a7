"""Whether kernels compiled by numba do the work, or arrays of NumPy: the results are the same.

numba comes with the extra `drive`. Kernels are in kernels.py, which only numba can import; the functions that
use them ask `is_compiled()` first.
"""

import functools
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

_by_numpy = ContextVar("_by_numpy", default=False)


def is_compiled() -> bool:
    """Whether numba is installed, and nobody asked for NumPy."""
    return not _by_numpy.get() and _has_numba()


@contextmanager
def numpy_only() -> Iterator[None]:
    """Inside, NumPy does the work: to compare the two, in results and in time."""
    token = _by_numpy.set(True)
    try:
        yield
    finally:
        _by_numpy.reset(token)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of numbers and arrays at its first call; kept on disk if that can be."""
    from numba import njit

    try:
        return cast(Callable[P, R], njit(cache=True, nogil=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return cast(Callable[P, R], njit(nogil=True)(function))


@functools.cache
def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None
