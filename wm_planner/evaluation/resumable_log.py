"""Results kept line by line, so that a long run that was stopped goes on."""

from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from wm_planner.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)


class ResumableLog(Generic[T]):
    """A file of one JSON object a line, or nothing that is kept.

    Args:
        path: of the file; None keeps nothing.
        kind: of the objects.
        what: they are, for errors: "an episode".

    Attributes:
        lines: that were there at first.

    Raises:
        ConfigError: if the file holds something else, or cannot be one.
    """

    def __init__(self, path: Path | None, kind: type[T], what: str) -> None:
        if path and (path.is_dir() or not path.parent.is_dir()):
            raise ConfigError(
                f"{path}: wanted a file in a folder that exists: make the folder, or name a file"
            )
        self._path = path
        texts = path.read_bytes().splitlines() if path and path.is_file() else []
        self.lines = [_decoded(f"{path}, line {n}", text, kind, what) for n, text in enumerate(texts, 1)]

    def append(self, line: T) -> None:
        """Keep one more."""
        if self._path:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")


def _decoded(place: str, text: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{place}: {error}; wanted {what}: name another file, or delete that line"
        ) from None
