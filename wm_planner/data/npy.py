"""NumPy arrays in files and archives; what their headers declare is checked before memory is allocated."""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import DatasetError

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_MOST_DEFLATED = 1032  # bytes that one compressed byte can stand for
_DAMAGED = (
    *(OSError, EOFError, KeyError, ValueError, TypeError, OverflowError, MemoryError),
    *(SyntaxError, tokenize.TokenError, RecursionError),  # of the header, which is Python text
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
)


def mapped(file: Path) -> NDArray[Any]:
    """The array of a `.npy` file, memory-mapped.

    Raises:
        DatasetError: if the file is missing or damaged.
    """
    try:
        array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise DatasetError(f"{file}: cannot be read ({error}); collect the data set again") from None
    return array


def archived_shape(file: Path, name: str) -> tuple[int, ...]:
    """The shape of an array in a `.npz` archive.

    Raises:
        DatasetError: if the archive is missing or damaged, or has no such array.
    """
    with _member(file, name) as (_, shape, _):
        return shape


def archived(
    file: Path, name: str, shape: tuple[int, ...] | None = None, dtype: str | None = None
) -> NDArray[Any]:
    """An array of a `.npz` archive.

    Args:
        shape, dtype: that it must have; None for any.

    Raises:
        DatasetError: as `archived_shape`, or if the array is another.
    """
    with _member(file, name) as (stream, found, kind):
        if shape not in (None, found) or dtype not in (None, kind):
            raise DatasetError(f"{file}: {name} is {kind} {found}, wanted {dtype} {shape}")
        stream.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array


@contextmanager
def _member(file: Path, name: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype[Any]]]:
    """An array's bytes, and the shape and type in its header."""
    try:
        with zipfile.ZipFile(file) as archive, archive.open(f"{name}.npy") as stream:
            shape, dtype = _header(stream)
            held = archive.getinfo(f"{name}.npy").compress_size * _MOST_DEFLATED
            if math.prod(shape) * dtype.itemsize > held:
                raise ValueError(f"it declares {dtype} {shape}, more than {held} bytes can hold")
            yield stream, shape, dtype
    except _DAMAGED as error:
        raise DatasetError(f"{file}: {name} cannot be read ({error}); it is cut or damaged") from None


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"NumPy's format {version}, wanted one of {list(_HEADERS)}")
    shape, _, dtype = _HEADERS[version](stream)
    return shape, dtype
