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
        place: the file, and the keys that lead there.

    Raises:
        ScenarioError: if it is no dictionary.
    """

    def __init__(self, data: Any, place: str) -> None:
        if not isinstance(data, Mapping):
            raise ScenarioError(f"{place}: got {type(data).__name__}, wanted a dictionary")
        self._data = data
        self.place = place

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def get(self, key: str, default: Any = None) -> Any:
        """What stands under a key."""
        return self._data.get(key, default)

    def dictionary(self, key: str) -> "Dictionary":
        """The dictionary under a key, which must be there."""
        if key not in self._data:
            known = [str(name) for name in self._data][:30]
            raise ScenarioError(f"{self.place}: has no '{key}', {did_you_mean(key, known)}")
        return Dictionary(self._data[key], f"{self.place}: {key}")

    def dictionaries(self) -> Iterator[tuple[str, "Dictionary"]]:
        """All that stand here, by their names."""
        return ((str(name), Dictionary(data, f"{self.place}.{name}")) for name, data in self._data.items())

    def array(self, key: str, *axes: int | None) -> NDArray[np.float64]:
        """The numbers under a key.

        Args:
            axes: length of each axis, None for any.
        """
        try:
            array = np.asarray(self._data.get(key), np.float64)
        except (TypeError, ValueError):
            array = np.empty(0)
        if array.ndim != len(axes) or any(n not in (None, m) for n, m in zip(axes, array.shape, strict=True)):
            wanted = ", ".join("any" if n is None else str(n) for n in axes)
            raise ScenarioError(
                f"{self.place}: {key} has shape {array.shape}, wanted numbers of shape ({wanted})"
            )
        return array
