"""PyBullet, imported without the line about its build that it writes to the terminal."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Discard what C libraries write to the standard error of this process."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with silent_stderr():
    import pybullet

__all__ = ["pybullet"]
