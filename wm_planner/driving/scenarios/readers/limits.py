"""What quantities of traffic can be, least and most: beyond lies a fault, and arithmetic that overflows."""

from typing import TypeAlias

Range: TypeAlias = tuple[float, float]

MAX_NUMBER = 1e9
"""Of coordinates, and of whatever has no limits of its own: more is a fault, and overflows further on."""

ANY: Range = (-MAX_NUMBER, MAX_NUMBER)

SPEEDS: Range = (-150.0, 150.0)
"""Of who drives, in m/s."""

START_SPEEDS: Range = (-1.0, 150.0)
"""Of the ego at its start, in m/s: it drives forwards; what stands is measured as slightly below 0."""

ANGLES: Range = (-1000.0, 1000.0)
"""In rad: many turns, and still exact to the millionth of one."""

SIZES: Range = (1e-3, 10_000.0)
"""Lengths, widths and radii of what is in the way, in m."""

STEPS_S: Range = (1e-3, 5.0)
"""Of time, in s: what happens within a longer step is not seen."""
