"""Read pickles of plain data and numpy arrays without running code from the file.

A pickle is a program. This reader lets it call only the stand-ins of this module, which validate and store
their arguments; arrays are built afterwards from the stored bytes. numpy's own unpickling code is never
called, and every other global is refused.
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

_KINDS = "biufUS"  # dtype kinds of booleans, numbers and text: no objects, records or dates
_MAX_DEPTH = 64
_MAX_INTEGER = 2**63


def read(path: Path) -> Any:
    """The data in a pickle file.

    Raises:
        ScenarioError: if it cannot be read, is too large or corrupt, or refers to anything but numpy arrays.
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
        return _restored(_Unpickler(io.BytesIO(data)).load(), 0)
    except (_RefusedError, MemoryError, RecursionError, OverflowError) as error:
        raise ScenarioError(
            f"{path}: {error or type(error).__name__}; wanted numpy arrays and plain data"
        ) from None
    except Exception as error:
        raise ScenarioError(f"{path}: not a readable pickle ({type(error).__name__}: {error})") from None


class _RefusedError(Exception):
    """The pickle contains something that is not allowed."""


class _Array:
    """Stand-in for an array."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def restored(self) -> np.ndarray[Any, np.dtype[Any]]:
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise _RefusedError("an array without its state")
        _, shape, dtype, is_fortran, data = self.state
        return _from_bytes(data, dtype, shape, "F" if is_fortran else "C")


class _Dtype:
    """Stand-in for the dtype of an array."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1] if isinstance(state, tuple) and len(state) > 1 else "?"

    def restored(self) -> np.dtype[Any]:
        try:
            dtype = np.dtype(str(self.code))
        except TypeError:
            raise _RefusedError(f"an array of type {self.code!r:.40}") from None
        if dtype.kind not in _KINDS or self.order not in ("<", ">", "|", "="):
            raise _RefusedError(f"an array of type {self.code!r:.40}")
        return dtype.newbyteorder(">" if self.order == ">" else "<")


class _Scalar:
    """Stand-in for a numpy scalar."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def restored(self) -> Any:
        if len(self.arguments) != 2:
            raise _RefusedError("a scalar without its value")
        dtype, data = self.arguments
        return _from_bytes(data, dtype, (), "C")[()].item()


class _Buffer:
    """Stand-in for an array given by a buffer (protocol 5)."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def restored(self) -> np.ndarray[Any, np.dtype[Any]]:
        if len(self.arguments) != 4:
            raise _RefusedError("an array without its buffer")
        data, dtype, shape, order = self.arguments
        return _from_bytes(data, dtype, shape, order)


def _encoded(text: Any, encoding: Any) -> bytes:
    """Decode bytes as the oldest protocols write them."""
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


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _ALLOWED:
            raise _RefusedError(f"it refers to {module}.{name}")
        return _ALLOWED[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("it refers to objects outside of the file")


def _check_memo(data: bytes) -> None:
    """Refuse memo indices beyond the length of the file, because the memo is allocated up to the index."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= (argument or 0) <= len(data):
            raise _RefusedError(f"it asks for a memo of {argument} entries")


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray[Any, np.dtype[Any]]:
    if not isinstance(dtype, _Dtype) or not isinstance(data, (bytes, bytearray)) or order not in ("C", "F"):
        raise _RefusedError("an array of objects")
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and 0 <= n <= len(data) for n in shape):
        raise _RefusedError(f"an array of shape {shape!r:.40}")
    made = dtype.restored()
    if len(shape) > 8 or math.prod(shape) * made.itemsize != len(data) or not made.itemsize:
        raise _RefusedError(f"an array of shape {shape!r:.40} in {len(data)} bytes")
    return np.frombuffer(bytes(data), made).reshape(shape, order=order)


def _restored(value: Any, depth: int) -> Any:
    """Plain data with every stand-in replaced by its value."""
    if depth > _MAX_DEPTH:
        raise _RefusedError(f"data nested more than {_MAX_DEPTH} levels deep, or recursively")
    if isinstance(value, (_Array, _Scalar, _Buffer)):
        return value.restored()
    if isinstance(value, dict):
        return {_restored(key, depth + 1): _restored(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return {_restored(item, depth + 1) for item in value}
    if isinstance(value, (list, tuple)):
        return type(value)(_restored(item, depth + 1) for item in value)
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise _RefusedError("an integer beyond 64 bits")
    if value is None or isinstance(value, (bool, int, float, str, bytes, bytearray)):
        return value
    raise _RefusedError(f"a {type(value).__name__}")
