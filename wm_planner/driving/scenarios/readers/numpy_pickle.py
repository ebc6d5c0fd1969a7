"""Pickles of plain data and numpy arrays, read without running anything that the file names.

A pickle is a program. Here the only things it can call are four stand-ins of this module, which check what
they get and keep it; arrays are made afterwards from the bytes that were kept. numpy's own unpickling code
never sees the file. Anything else it names is refused.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wm_planner.errors import ScenarioError

MAX_BYTES = 256 * 2**20

_KINDS = "biufUS"  # booleans, numbers, text: no objects, no records, no dates
_MAX_DEPTH = 64
_MAX_INTEGER = 2**63


def read(path: Path) -> Any:
    """The data in a pickle file.

    Raises:
        ScenarioError: if it cannot be read, is too large, is torn, or names anything but numpy's arrays.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ScenarioError(f"{path}: holds {size} bytes, wanted at most {MAX_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        _check_memo(data)
        return _made(_Reader(io.BytesIO(data)).load(), 0)
    except (_RefusedError, MemoryError, RecursionError, OverflowError) as error:
        raise ScenarioError(
            f"{path}: {error or type(error).__name__}; wanted numpy arrays and plain data"
        ) from None
    except Exception as error:
        raise ScenarioError(f"{path}: no readable pickle ({type(error).__name__}: {error})") from None


class _RefusedError(Exception):
    """The pickle wants what it may not have."""


class _Array:
    """Stands for an array until its bytes are there."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def made(self) -> np.ndarray[Any, np.dtype[Any]]:
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise _RefusedError("an array without its state")
        _, shape, dtype, is_fortran, data = self.state
        return _from_bytes(data, dtype, shape, "F" if is_fortran else "C")


class _Dtype:
    """Stands for the type of an array."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1] if isinstance(state, tuple) and len(state) > 1 else "?"

    def made(self) -> np.dtype[Any]:
        try:
            dtype = np.dtype(str(self.code))
        except TypeError:
            raise _RefusedError(f"an array of type {self.code!r:.40}") from None
        if dtype.kind not in _KINDS or self.order not in ("<", ">", "|", "="):
            raise _RefusedError(f"an array of type {self.code!r:.40}")
        return dtype.newbyteorder(">" if self.order == ">" else "<")


class _Scalar:
    """Stands for a number of numpy's."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def made(self) -> Any:
        if len(self.arguments) != 2:
            raise _RefusedError("a scalar without its value")
        dtype, data = self.arguments
        return _from_bytes(data, dtype, (), "C")[()].item()


class _Buffer:
    """Stands for an array given by a buffer (protocol 5)."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def made(self) -> np.ndarray[Any, np.dtype[Any]]:
        if len(self.arguments) != 4:
            raise _RefusedError("an array without its buffer")
        data, dtype, shape, order = self.arguments
        return _from_bytes(data, dtype, shape, order)


def _encoded(text: Any, encoding: Any) -> bytes:
    """Bytes as the oldest protocols write them."""
    if not isinstance(text, str) or encoding != "latin1":
        raise _RefusedError("bytes in another encoding than latin1")
    return text.encode("latin1")


_ALLOWED: dict[str, Callable[..., Any]] = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy.core.multiarray.scalar": _Scalar,
    "numpy._core.multiarray.scalar": _Scalar,
    "numpy.core.numeric._frombuffer": _Buffer,
    "numpy._core.numeric._frombuffer": _Buffer,
    "_codecs.encode": _encoded,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _ALLOWED:
            raise _RefusedError(f"it names {module}.{name}")
        return _ALLOWED[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("it names things outside of itself")


def _check_memo(data: bytes) -> None:
    """Refuse a memo longer than the file: it is a list, and would be made that long."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= (argument or 0) <= len(data):
            raise _RefusedError(f"it asks for a memo of {argument} entries")


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray[Any, np.dtype[Any]]:
    if not isinstance(dtype, _Dtype) or not isinstance(data, (bytes, bytearray)) or order not in ("C", "F"):
        raise _RefusedError("an array of objects")
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and 0 <= n <= len(data) for n in shape):
        raise _RefusedError(f"an array of shape {shape!r:.40}")
    made = dtype.made()
    if len(shape) > 8 or math.prod(shape) * made.itemsize != len(data) or not made.itemsize:
        raise _RefusedError(f"an array of shape {shape!r:.40} in {len(data)} bytes")
    return np.frombuffer(bytes(data), made).reshape(shape, order=order)


def _made(value: Any, depth: int) -> Any:
    """Plain data with every stand-in replaced by what it stands for."""
    if depth > _MAX_DEPTH:
        raise _RefusedError(f"data nested more than {_MAX_DEPTH} deep, or in a circle")
    if isinstance(value, (_Array, _Scalar, _Buffer)):
        return value.made()
    if isinstance(value, dict):
        return {_made(key, depth + 1): _made(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return {_made(item, depth + 1) for item in value}
    if isinstance(value, (list, tuple)):
        return type(value)(_made(item, depth + 1) for item in value)
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise _RefusedError("a whole number beyond 64 bits")
    if value is None or isinstance(value, (bool, int, float, str, bytes, bytearray)):
        return value
    raise _RefusedError(f"a {type(value).__name__}")
