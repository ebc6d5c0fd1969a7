"""The statistics of a LeRobot data set, `meta/stats.json`, collected episode by episode."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.dataset import Array

PIXEL_STEP = 8  # every 8th row and column of a picture

Floats = NDArray[np.float64]


class Statistics:
    """Minimum, maximum, mean, standard deviation and count of every feature."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Floats, Floats, Floats, Floats, int]] = {}
        self._frames: dict[str, int] = {}
        self._images: set[str] = set()

    def add(self, name: str, values: Array) -> None:
        """Add the values (T, ...) of a feature."""
        self._add(name, values.reshape(len(values), -1).astype(np.float64), len(values))

    def add_images(self, name: str, images: NDArray[np.uint8]) -> None:
        """Add the pictures (T, H, W, 3) of a camera; pixels count as 0 to 1."""
        self._images.add(name)
        self._add(name, images[:, ::PIXEL_STEP, ::PIXEL_STEP].reshape(-1, 3) / 255.0, len(images))

    def values(self) -> dict[str, dict[str, object]]:
        """The contents of stats.json; those of pictures have the shape (3, 1, 1)."""
        found: dict[str, dict[str, object]] = {}
        for name, (low, high, total, squares, count) in self._sums.items():
            mean = total / count
            std = np.sqrt(np.maximum(squares / count - mean**2, 0))
            rows = {"min": low, "max": high, "mean": mean, "std": std}
            shape = (3, 1, 1) if name in self._images else (-1,)
            found[name] = {key: row.reshape(shape).tolist() for key, row in rows.items()}
            found[name]["count"] = [self._frames[name]]
        return found

    def _add(self, name: str, values: Floats, frames: int) -> None:
        new = (values.min(axis=0), values.max(axis=0), values.sum(axis=0), np.square(values).sum(axis=0))
        self._frames[name] = self._frames.get(name, 0) + frames
        if name not in self._sums:
            self._sums[name] = (*new, len(values))
            return
        low, high, total, squares, count = self._sums[name]
        self._sums[name] = (
            np.minimum(low, new[0]),
            np.maximum(high, new[1]),
            total + new[2],
            squares + new[3],
            count + len(values),
        )
