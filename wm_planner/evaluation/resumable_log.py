"""Log of results, from which an interrupted run resumes."""

from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from wm_planner.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)


class ResumableLog(Generic[T]):
    """A log with one JSON object per line, or no log.

    Args:
        path: path of the file; None to keep no log.
        kind: type of the objects.
        what: description of an object for errors, e.g. "an episode".

    Attributes:
        lines: objects that were in the file at the start.

    Raises:
        ConfigError: if the file has other contents, or cannot be created.
    """

    def __init__(self, path: Path | None, kind: type[T], what: str) -> None:
        if path and (path.is_dir() or not path.parent.is_dir()):
            raise ConfigError(
                f"{path}: wanted a file in a folder that exists: make the folder or give another file"
            )
        self._path = path
        lines = path.read_bytes().splitlines() if path and path.is_file() else []
        self.lines = [_decode(f"{path}, line {n}", line, kind, what) for n, line in enumerate(lines, 1)]

    def append(self, line: T) -> None:
        """Append one object."""
        if self._path:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")


def _decode(place: str, line: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{place}: {error}; wanted {what}: name another file, or delete that line"
        ) from None
