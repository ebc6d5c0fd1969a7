"""The unit that a run's distances are read in: centimetres of arms, metres of cars."""

from collections.abc import Sequence
from typing import NamedTuple

CARS_M = 10.0
"""A run whose goals are as far as this is a drive."""


class Unit(NamedTuple):
    """A unit of length."""

    name: str
    per_m: float

    def words(self, metres: float, width: int = 0) -> str:
        """A distance with its unit, the number right-aligned."""
        return f"{self.per_m * metres:{width}.1f} {self.name}"


CM, M = Unit("cm", 100.0), Unit("m", 1.0)


def unit_of(distances_m: Sequence[float]) -> Unit:
    """The unit for distances, by the farthest of them."""
    return M if max(distances_m, default=0.0) >= CARS_M else CM
