"""The files of one recording: `episodes.mcap`, then `episodes_2.mcap`, ..., one per start of the recorder."""

import itertools
from collections.abc import Iterator
from pathlib import Path


def unused(path: Path) -> Path:
    """The file in which a recording to `path` continues: the first that does not exist."""
    return next(part for part in _names(path) if not part.exists())


def parts_of(path: Path) -> tuple[Path, ...]:
    """The files of the recording that begins with `path`, in order; `path` alone where that is missing."""
    further = itertools.takewhile(Path.is_file, itertools.islice(_names(path), 1, None))
    return (path, *further)


def continues(path: Path) -> bool:
    """Whether a file belongs to a recording that begins with another file of its folder."""
    first, _, number = path.stem.rpartition("_")
    return number.isdecimal() and bool(first) and path in parts_of(path.with_stem(first))[1:]


def _names(path: Path) -> Iterator[Path]:
    numbered = (path.with_stem(f"{path.stem}_{number}") for number in itertools.count(2))
    return itertools.chain([path], numbered)
