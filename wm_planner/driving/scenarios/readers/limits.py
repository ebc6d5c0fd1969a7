"""Plausible ranges of quantities in scenario files; values beyond are errors, and could overflow."""

from typing import TypeAlias

Range: TypeAlias = tuple[float, float]

MAX_NUMBER = 1e9
"""Maximum magnitude of coordinates and of all quantities without a range of their own."""

ANY: Range = (-MAX_NUMBER, MAX_NUMBER)

SPEEDS: Range = (-150.0, 150.0)
"""Speeds of agents, in m/s."""

START_SPEEDS: Range = (-1.0, 150.0)
"""Initial speeds of the ego, in m/s: forwards, or slightly below 0 as measured at standstill."""

ANGLES: Range = (-1000.0, 1000.0)
"""Angles, in rad: many turns, which still leaves a precision of a millionth."""

SIZES: Range = (1e-3, 10_000.0)
"""Lengths, widths and radii of agents and obstacles, in m."""

STEPS_S: Range = (1e-3, 5.0)
"""Step durations, in s; longer steps would miss events within a step."""
