"""Dictionaries from a file, with typed access and the place in every error."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import ScenarioError, did_you_mean


class Dictionary:
    """A dictionary.

    Args:
        data: what stands there.
        location: the file, and the keys that lead there.

    Raises:
        ScenarioError: if it is no dictionary.
    """

    def __init__(self, data: Any, location: str) -> None:
        if not isinstance(data, Mapping):
            raise ScenarioError(f"{location}: got {type(data).__name__}, wanted a dictionary")
        self._data = data
        self.location = location

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def get(self, key: str, default: Any = None) -> Any:
        """What stands under a key."""
        return self._data.get(key, default)

    def dictionary(self, key: str) -> "Dictionary":
        """The dictionary under a key, which must be there."""
        if key not in self._data:
            known = [str(name) for name in self._data][:30]
            raise ScenarioError(f"{self.location}: has no '{key}', {did_you_mean(key, known)}")
        return Dictionary(self._data[key], f"{self.location}: {key}")

    def dictionaries(self) -> Iterator[tuple[str, "Dictionary"]]:
        """All that stand here, by their names."""
        return ((str(name), Dictionary(data, f"{self.location}.{name}")) for name, data in self._data.items())

    def array(self, key: str, *axes: int | None) -> NDArray[np.float64]:
        """The numbers under a key.

        Args:
            axes: length of each axis, None for any.
        """
        array = _numbers(self._data.get(key))
        if array is None:
            raise ScenarioError(f"{self.location}: {key} holds what is no number, wanted an array of them")
        if array.ndim != len(axes) or any(n not in (None, m) for n, m in zip(axes, array.shape, strict=True)):
            wanted = ", ".join("any" if n is None else str(n) for n in axes)
            raise ScenarioError(
                f"{self.location}: {key} has shape {array.shape}, wanted numbers of shape ({wanted})"
            )
        return array

    def numbers(self, key: str) -> NDArray[np.float64]:
        """The numbers under a key, of any shape; none, (0,), where there are none."""
        array = _numbers(self._data.get(key))
        return np.empty(0) if array is None else array

    def texts(self, key: str) -> list[str]:
        """The texts under a key, in a list or an array; none where there is neither."""
        listed = self._data.get(key)
        listed = listed.tolist() if isinstance(listed, np.ndarray) else listed
        return [str(word) for word in listed] if isinstance(listed, (list, tuple)) else []


def _numbers(value: Any) -> NDArray[np.float64] | None:
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # a NaN that signals, a double in single precision
            return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
