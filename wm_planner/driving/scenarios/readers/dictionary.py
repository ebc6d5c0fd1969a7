"""Dictionaries from a file, with typed access, and the location in every error."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import ScenarioError, did_you_mean


class Dictionary:
    """A dictionary at a known location of a file.

    Args:
        data: the dictionary.
        location: the file and the keys that lead to it.

    Raises:
        ScenarioError: if `data` is not a dictionary.
    """

    def __init__(self, data: Any, location: str) -> None:
        if not isinstance(data, Mapping):
            raise ScenarioError(f"{location}: got {type(data).__name__}, wanted a dictionary")
        self._data = data
        self.location = location

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key."""
        return self._data.get(key, default)

    def dictionary(self, key: str) -> "Dictionary":
        """The dictionary at a key, which must exist."""
        if key not in self._data:
            known = [str(name) for name in self._data][:30]
            raise ScenarioError(f"{self.location}: has no '{key}', {did_you_mean(key, known)}")
        return Dictionary(self._data[key], f"{self.location}: {key}")

    def dictionaries(self) -> Iterator[tuple[str, "Dictionary"]]:
        """All entries, which must be dictionaries, with their names."""
        return ((str(name), Dictionary(data, f"{self.location}.{name}")) for name, data in self._data.items())

    def array(self, key: str, *axes: int | None) -> NDArray[np.float64]:
        """The numeric array at a key.

        Args:
            axes: required length of each axis, None for any.
        """
        array = _numbers(self._data.get(key))
        if array is None:
            raise ScenarioError(f"{self.location}: {key} is not numeric, wanted an array of numbers")
        if array.ndim != len(axes) or any(n not in (None, m) for n, m in zip(axes, array.shape, strict=True)):
            wanted = ", ".join("any" if n is None else str(n) for n in axes)
            raise ScenarioError(
                f"{self.location}: {key} has shape {array.shape}, wanted numbers of shape ({wanted})"
            )
        return array

    def numbers(self, key: str) -> NDArray[np.float64]:
        """The numeric array at a key, of any shape; empty, (0,), if the key is missing."""
        array = _numbers(self._data.get(key))
        return np.empty(0) if array is None else array

    def texts(self, key: str) -> list[str]:
        """The entries of a list or an array at a key, as text; empty if there is neither."""
        entries = self._data.get(key)
        entries = entries.tolist() if isinstance(entries, np.ndarray) else entries
        return [str(entry) for entry in entries] if isinstance(entries, (list, tuple)) else []


def _numbers(value: Any) -> NDArray[np.float64] | None:
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # signalling NaNs, overflow of single precision
            return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
