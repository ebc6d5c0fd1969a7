"""The unit in which distances of a run are printed: centimetres for arms, metres for cars."""

from typing import NamedTuple


class Unit(NamedTuple):
    """A unit of length."""

    name: str
    per_m: float

    def format(self, metres: float, width: int = 0) -> str:
        """A distance with its unit; the number is right-aligned to `width`."""
        return f"{self.per_m * metres:{width}.1f} {self.name}"


CM, M = Unit("cm", 100.0), Unit("m", 1.0)


def unit_of(is_drive: bool) -> Unit:
    """The unit for a drive, or for an arm."""
    return M if is_drive else CM
