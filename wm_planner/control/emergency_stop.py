"""The emergency stop of a controller, which outlives the process that latched it."""

from contextlib import suppress
from pathlib import Path


class EmergencyStop:
    """Latched until it is reset, also by a controller that is started again.

    Args:
        file: exists while it is latched.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._is_latched = file.exists()

    @property
    def is_latched(self) -> bool:
        return self._is_latched

    def latch(self) -> None:
        """Stop from now on."""
        self._is_latched = True
        with suppress(OSError):  # on a full disk it lasts as long as this process
            self._file.touch()

    def reset(self) -> None:
        """Let the robot move again."""
        self._file.unlink(missing_ok=True)
        self._is_latched = False
