"""The exception classes.

Every error that a user can fix is a `WmError`; the command line prints its text without a traceback and exits
with code 2.

    WmError
    ├── ConfigError        a launch file, a parameter, a command line
    │   └── SpecError      a quantity or an action whose bounds, names or choices disagree
    ├── PluginError        a name or path that does not lead to a class
    ├── BundleError        a card, a graph, a checkpoint
    ├── DatasetError       a recorded data set
    ├── TrainingError      a training run that cannot continue
    ├── ShapeError         an array of the wrong shape, type or range
    ├── ScenarioError      a traffic scenario that cannot be read or written
    ├── SimulationError    a scene, a simulator, a renderer
    ├── MessagingError     a socket, a message, a domain
    │   └── InputError     a received message whose content cannot be used
    ├── RecordingError     a recording that cannot be written or read
    └── NodeError          a node that cannot do its work
"""

import difflib
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class WmError(Exception):
    """An error whose text says what was got, what was wanted and what to do."""


class ConfigError(WmError):
    """A launch file, a parameter or a command line that cannot be used."""


class SpecError(ConfigError, ValueError):
    """A quantity or an action whose bounds, names or choices disagree.

    It is a ValueError, so that `config.convert` puts its path in the file before it.
    """


class PluginError(WmError):
    """A plug-in name or path that does not lead to a class."""


class BundleError(WmError):
    """A model bundle that does not match its card, or a checkpoint of another model."""


class DatasetError(WmError):
    """A data set that is missing, damaged or of another kind."""


class TrainingError(WmError):
    """A training run that cannot continue."""


class ShapeError(WmError):
    """An array of the wrong shape, type or range."""


class ScenarioError(WmError):
    """A traffic scenario that cannot be read or written."""


class SimulationError(WmError):
    """A scene, simulator or renderer that cannot run."""


class MessagingError(WmError):
    """A socket, message or domain that cannot be used."""


class InputError(MessagingError):
    """A received message whose content cannot be used; a node drops it, says so and goes on."""


class RecordingError(WmError):
    """A recording that cannot be written or read."""


class NodeError(WmError):
    """A node that cannot do its work."""


EXTRAS = {
    **dict.fromkeys(("mujoco", "imageio", "imageio_ffmpeg", "joblib", "matplotlib", "PIL", "ruckig"), "sim"),
    **dict.fromkeys(("lxml", "numba"), "drive"),
    "av": "data",
    "gymnasium": "gym",
    "pyarrow": "argoverse",
    "pybullet": "bullet",
    "ray": "cluster",
    **dict.fromkeys(("ndonnx", "spox"), "portable"),
    **dict.fromkeys(("torch", "onnxscript", "accelerate", "safetensors", "tensorboardX"), "train"),
}
"""Name of an imported package to the extra of wm-planner that installs it."""


def missing_package(error: ModuleNotFoundError, needed_by: str = "this") -> str:
    """What to install when an import failed."""
    package = (error.name or "").partition(".")[0]
    wanted = f"wm-planner[{EXTRAS[package]}]" if package in EXTRAS else package
    return f"{needed_by} needs the package '{package}', which is not installed: pip install '{wanted}'"


_PACKAGE = Path(__file__).parent
_NOT_THE_USERS = (str(_PACKAGE), str(_PACKAGE.parent / "nodes"), *sysconfig.get_paths().values(), "<frozen")


def describe(error: BaseException) -> str:
    """Type, message and place of an error that is not a `WmError`, e.g. of a plug-in.

    Returns:
        `TypeError: wanted a float (my_planner.py, line 12)`; without a place if no line of the traceback lies
        outside of this package, its dependencies and Python.
    """
    return f"{type(error).__name__}: {error}".removesuffix(": ") + place_of(error)


def place_of(error: BaseException) -> str:
    """` (my_planner.py, line 12)`, the user's line that an error comes from; empty as in `describe`."""
    lines = traceback.extract_tb(error.__traceback__)
    own = [line for line in lines if not line.filename.startswith(_NOT_THE_USERS)]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Put the place before the text of a `WmError`, e.g. the key of a launch file that it comes from."""
    try:
        yield
    except WmError as error:
        if str(error).startswith(where):
            raise
        raise type(error)(f"{where}: {error}") from error


MOST_NAMES = 24


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The last clause of an error: the closest known name, and the known names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    listing = ", ".join(names[:MOST_NAMES]) if names else "none"
    if len(names) > MOST_NAMES:
        listing += f" and {len(names) - MOST_NAMES} more"
    return f"did you mean '{close[0]}'? (known: {listing})" if close else f"known: {listing}"
