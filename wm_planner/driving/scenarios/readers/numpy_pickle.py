"""Read pickles of plain data and numpy arrays without running code from the file.

A pickle is a program. This reader lets it call only the stand-ins of this module, which validate and store
their arguments; arrays are built afterwards from the stored bytes. numpy's own unpickling code is never
called, and every other global is refused. Time and memory are bounded too: values that a file refers to many
times are counted as often, and keys are simple values, because hashing nested tuples can take forever.
"""

import io
import math
import pickle
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from wm_planner.errors import ScenarioError

MAX_BYTES = 256 * 2**20

_KINDS = "biufUS"  # dtype kinds of booleans, numbers and text: no objects, records or dates
_MAX_DEPTH = 64
_MAX_INTEGER = 2**63
_MAX_EXPANDED = 2**29
"""Values, letters and bytes in a file once its repeated references are written out."""


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
        return _Restoring().restored(_Unpickler(io.BytesIO(data)).load())[0]
    except (_RefusedError, MemoryError, RecursionError, OverflowError) as error:
        raise ScenarioError(
            f"{path}: {error or type(error).__name__}; wanted numpy arrays and plain data"
        ) from None
    except Exception as error:
        raise ScenarioError(f"{path}: not a readable pickle ({type(error).__name__}: {error})") from None


class _RefusedError(Exception):
    """The pickle contains something that is not allowed."""


class _StandIn:
    """Value that is built after reading; only those with a state of their own accept one."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError(f"it changes a {type(self).__name__.strip('_').lower()}")

    def restored(self) -> Any:
        raise NotImplementedError


class _Array(_StandIn):
    """Stand-in for an array."""

    __slots__ = ("state",)

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def restored(self) -> np.ndarray[Any, np.dtype[Any]]:
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise _RefusedError("an array without its state")
        _, shape, dtype, is_fortran, data = self.state
        return _from_bytes(data, dtype, shape, "F" if is_fortran else "C")


class _Dtype(_StandIn):
    """Stand-in for the dtype of an array."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1] if isinstance(state, tuple) and len(state) > 1 else "?"

    def restored(self) -> np.dtype[Any]:
        if not isinstance(self.code, str) or len(self.code) > 16:
            raise _RefusedError("an array whose type is no short name")
        try:
            dtype = np.dtype(self.code)
        except (TypeError, ValueError, SyntaxError):
            raise _RefusedError(f"an array of type {self.code!r:.40}") from None
        if dtype.kind not in _KINDS or self.order not in ("<", ">", "|", "="):
            raise _RefusedError(f"an array of type {self.code!r:.40}")
        return dtype.newbyteorder(">" if self.order == ">" else "<")


class _Scalar(_StandIn):
    """Stand-in for a numpy scalar."""

    __slots__ = ("arguments",)

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def restored(self) -> Any:
        if len(self.arguments) != 2:
            raise _RefusedError("a scalar without its value")
        dtype, data = self.arguments
        return _from_bytes(data, dtype, (), "C")[()].item()


class _Buffer(_StandIn):
    """Stand-in for an array given by a buffer (protocol 5)."""

    __slots__ = ("arguments",)

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def restored(self) -> np.ndarray[Any, np.dtype[Any]]:
        if len(self.arguments) != 4:
            raise _RefusedError("an array without its buffer")
        data, dtype, shape, order = self.arguments
        return _from_bytes(data, dtype, shape, order)


class _Bytes(_StandIn):
    """Stand-in for bytes as the oldest protocols write them: text in latin1."""

    __slots__ = ("arguments",)

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def restored(self) -> bytes:
        if (
            not (len(self.arguments) == 2 and isinstance(self.arguments[0], str))
            or self.arguments[1] != "latin1"
        ):
            raise _RefusedError("bytes in another encoding than latin1")
        text: str = self.arguments[0]
        return text.encode("latin1")


class _Global:
    """What a file may call: a stand-in, which it cannot change, as it could a class or a function."""

    __slots__ = ("_stand_in",)

    def __init__(self, stand_in: type[_StandIn]) -> None:
        self._stand_in = stand_in

    def __call__(self, *arguments: Any) -> _StandIn:
        return self._stand_in(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError("it changes a global")


_KEYS = (str, bytes, int, float, type(None), _Scalar, _Bytes)
_STEPS: dict[int, Any] = dict(pickle._Unpickler.dispatch)

_ALLOWED: dict[str, type[_StandIn]] = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy.core.multiarray.scalar": _Scalar,
    "numpy._core.multiarray.scalar": _Scalar,
    "numpy.core.numeric._frombuffer": _Buffer,
    "numpy._core.numeric._frombuffer": _Buffer,
    "_codecs.encode": _Bytes,
}


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler in Python; checks keys before they are hashed, and lengths before allocating."""

    stack: list[Any]
    read: Callable[[int], bytes]

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _ALLOWED:
            raise _RefusedError(f"it refers to {module}.{name}")
        return _Global(_ALLOWED[f"{module}.{name}"])

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("it refers to objects outside of the file")

    def _set_item(self) -> None:
        _check_keys(self.stack[-2:-1])
        _STEPS[pickle.SETITEM[0]](self)

    def _set_items(self) -> None:
        _check_keys(self.stack[::2])  # the stack begins anew at a mark
        _STEPS[pickle.SETITEMS[0]](self)

    def _dictionary(self) -> None:
        _check_keys(self.stack[::2])
        _STEPS[pickle.DICT[0]](self)

    def _add_items(self) -> None:
        _check_keys(self.stack)
        _STEPS[pickle.ADDITEMS[0]](self)

    def _frozen_set(self) -> None:
        _check_keys(self.stack)
        _STEPS[pickle.FROZENSET[0]](self)

    def _byte_array(self) -> None:
        (length,) = struct.unpack("<Q", self.read(8))
        self.stack.append(bytearray(self.read(min(length, MAX_BYTES))))

    dispatch: ClassVar[dict[int, Any]] = {
        **_STEPS,
        pickle.SETITEM[0]: _set_item,
        pickle.SETITEMS[0]: _set_items,
        pickle.DICT[0]: _dictionary,
        pickle.ADDITEMS[0]: _add_items,
        pickle.FROZENSET[0]: _frozen_set,
        pickle.BYTEARRAY8[0]: _byte_array,
    }


def _check_keys(keys: list[Any]) -> None:
    for key in keys:
        if not isinstance(key, _KEYS) or (isinstance(key, int) and abs(key) > _MAX_INTEGER):
            raise _RefusedError(f"a key of type {type(key).__name__}, or beyond 64 bits")


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray[Any, np.dtype[Any]]:
    if isinstance(data, _Bytes):
        data = data.restored()
    if not isinstance(dtype, _Dtype) or not isinstance(data, (bytes, bytearray)) or order not in ("C", "F"):
        raise _RefusedError("an array of objects")
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(isinstance(n, int) for n in shape):
        raise _RefusedError("an array whose shape is no tuple of at most 8 integers")
    made = dtype.restored()
    if (
        not all(0 <= n <= MAX_BYTES for n in shape)
        or math.prod(shape) * made.itemsize != len(data)
        or not made.itemsize
    ):
        raise _RefusedError(f"an array of shape {shape!r:.40} in {len(data)} bytes")
    return np.frombuffer(data, made).reshape(shape, order=order)


class _Restoring:
    """Replaces stand-ins by their values, each once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int]] = {}
        self._spent = 0

    def restored(self, value: Any, depth: int = 0) -> tuple[Any, int]:
        """Plain data, and its size: values, letters and bytes with repeated references written out."""
        if value is None or isinstance(value, (bool, int, float)):
            if isinstance(value, int) and abs(value) > _MAX_INTEGER:
                raise _RefusedError("an integer beyond 64 bits")
            return value, 1
        if depth > _MAX_DEPTH:
            raise _RefusedError(f"data nested more than {_MAX_DEPTH} levels deep, or recursively")
        if id(value) not in self._known:
            made, size = self._made(value, depth)
            if size > _MAX_EXPANDED:
                raise _RefusedError(f"more than {_MAX_EXPANDED} values, counted with repeated references")
            self._known[id(value)] = made, size
        return self._known[id(value)]

    def _made(self, value: Any, depth: int) -> tuple[Any, int]:
        if isinstance(value, (str, bytes, bytearray)):
            return value, 1 + len(value)
        if isinstance(value, _StandIn):
            return self._built(value)
        if isinstance(value, dict):
            keys, values = self._each(value, depth), self._each(value.values(), depth)
            return dict(zip(keys[0], values[0], strict=True)), keys[1] + values[1]
        if isinstance(value, (set, frozenset)):
            items, size = self._each(value, depth)
            return set(items), size
        if isinstance(value, (list, tuple)):
            items, size = self._each(value, depth)
            return type(value)(items), size
        raise _RefusedError(f"a {type(value).__name__.strip('_')}")

    def _each(self, values: Iterable[Any], depth: int) -> tuple[list[Any], int]:
        pairs = [self.restored(value, depth + 1) for value in values]
        return [made for made, _ in pairs], 1 + sum(size for _, size in pairs)

    def _built(self, value: _StandIn) -> tuple[Any, int]:
        built = value.restored()
        size = built.nbytes if isinstance(built, np.ndarray) else sys.getsizeof(built)
        self._spent += size
        if self._spent > _MAX_EXPANDED:
            raise _RefusedError(f"arrays of more than {_MAX_EXPANDED} bytes")
        return built, 1 + size
