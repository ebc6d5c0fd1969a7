"""What the nodes of a planning run state before it starts, in the words of `node.facts`."""

from collections.abc import Iterable

PERIOD = "the control period in s"
ACTION = "the action"
CAMERA = "camera"


def components(names: Iterable[str], units: Iterable[str]) -> str:
    """The components of an action."""
    return ", ".join(f"{name} in {unit}" for name, unit in zip(names, units, strict=True))


def pixels(height: int, width: int) -> str:
    """The size of an image."""
    return f"{height} x {width} pixels"
