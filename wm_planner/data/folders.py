"""Folders that are written atomically."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wm_planner.errors import DatasetError


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that is renamed to `path` on success and removed after an exception.

    Raises:
        DatasetError: if `path` exists, or cannot be written.
    """
    if path.exists():
        raise DatasetError(f"{path} exists already; choose another folder, or remove it first")
    temporary = path.with_name(path.name + ".part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
