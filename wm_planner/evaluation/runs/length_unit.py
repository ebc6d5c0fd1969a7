"""The unit that a run's distances are read in: centimetres of arms, metres of cars."""

from typing import NamedTuple


class Unit(NamedTuple):
    """A unit of length."""

    name: str
    per_m: float

    def words(self, metres: float, width: int = 0) -> str:
        """A distance with its unit, the number right-aligned."""
        return f"{self.per_m * metres:{width}.1f} {self.name}"


CM, M = Unit("cm", 100.0), Unit("m", 1.0)


def unit_of(is_drive: bool) -> Unit:
    """The unit for the distances of a drive, or of an arm."""
    return M if is_drive else CM
