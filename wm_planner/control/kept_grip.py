"""The target of a gripper, which outlives the process that commanded it, so that it does not let go."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

Episode: TypeAlias = tuple[int, int]
"""Number of the publisher of /episode, and of the episode."""


class Grip(NamedTuple):
    """What a gripper was told.

    Attributes:
        opening: its target, 0 closed, 1 open.
        is_reached: whether the set-points have arrived there; fingers that hold something have not.
    """

    opening: float
    is_reached: bool


class KeptGrip:
    """The last grip of an episode, for a controller that is started again in it.

    An episode is told apart by its number and that of its publisher, which is another one in every run.

    Args:
        file: holds it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._written: tuple[Episode, Grip] | None = None

    def of(self, episode: Episode) -> Grip | None:
        """The grip that was kept in an episode; None without one."""
        with suppress(OSError, msgspec.DecodeError):  # a file cut off by a full disk, too
            kept_in, grip = msgspec.json.decode(self._file.read_bytes(), type=tuple[Episode, Grip])
            return grip if kept_in == episode else None
        return None

    def keep(self, episode: Episode, grip: Grip) -> None:
        """Write a grip down, if it is another one."""
        if self._written != (episode, grip):
            self._written = episode, grip
            with suppress(OSError):  # on a full disk it lasts as long as this process
                self._file.write_bytes(msgspec.json.encode(self._written))

    def forget(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)
