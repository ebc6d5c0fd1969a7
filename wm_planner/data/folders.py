"""Files and folders that are written atomically."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wm_planner.errors import DatasetError, WmError


def check_fresh(path: Path, replaces: str | None = None, error: type[WmError] = DatasetError) -> None:
    """Check that a folder may be written, before the work for it is done.

    Args:
        path: of the folder.
        replaces: name of a file; an existing folder that contains it may be replaced. None to refuse every
            existing folder.
        error: class of the error that is raised for other existing folders.
    """
    if not path.exists():
        return
    if replaces is None:
        raise error(f"{path} exists already; choose another folder, or remove it first")
    if not (path / replaces).is_file():
        raise error(f"{path} cannot be replaced: it contains no {replaces}; choose another folder")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` on success and is removed after an exception.

    It has the same suffix.

    Raises:
        OSError: naming `path` if it cannot be written, e.g. because the disk is full.
    """
    temporary = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # of a read-only disk, also if there is no file
            temporary.unlink(missing_ok=True)


@contextmanager
def fresh_folder(
    path: Path,
    replaces: str | None = None,
    error: type[WmError] = DatasetError,
    kept: str | None = None,
) -> Iterator[Path]:
    """A temporary folder that is renamed to `path` on success and removed after an exception.

    Args:
        path: of the folder.
        replaces: as in `check_fresh`; an existing folder is replaced on success.
        error: class of the error that is raised if `path` exists, or cannot be written.
        kept: name of a file; a temporary folder that contains it stays after an exception, and is the one
            that the next call continues with.
    """
    check_fresh(path, replaces, error)
    temporary, former = (path.with_name(path.name + suffix) for suffix in (".part", ".former"))
    try:
        if kept is None or not (temporary / kept).is_file():
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        yield temporary
        if path.exists():
            shutil.rmtree(former, ignore_errors=True)
            path.rename(former)
        temporary.rename(path)
        shutil.rmtree(former, ignore_errors=True)
    except OSError as problem:
        raise error(f"{path}: cannot be written ({problem.strerror})") from None
    finally:
        if kept is None or not (temporary / kept).is_file():
            shutil.rmtree(temporary, ignore_errors=True)
