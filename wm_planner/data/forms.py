"""The forms in which a data set is stored: opened by what a folder contains, written by their names."""

from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from wm_planner.contracts.dataset import Dataset, Episode, Meta
from wm_planner.data.episode_writer import EpisodeWriter
from wm_planner.data.episodes import EpisodeData, episode_rows
from wm_planner.data.npz import FOLDER, NpzData, NpzWriter
from wm_planner.errors import DatasetError, missing_package

Form = Literal["folder", "lerobot", "npz"]

LEROBOT_FOLDER = "meta"


class Writer(Protocol):
    """Writes episodes one after the other; the data set appears when the context ends normally."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def add(self, episode: Episode) -> None:
        """Append an episode."""
        ...

    def finish(self, seeds_tried: int, rejected: dict[str, int]) -> Meta:
        """Complete the data set, and return what it holds."""
        ...


def form_of(path: Path) -> Form:
    """The form of the data set in folder `path`; `folder` if there is no data set."""
    if (path / LEROBOT_FOLDER).is_dir():
        return "lerobot"
    return "npz" if (path / FOLDER).is_dir() else "folder"


def open_dataset(path: Path | str) -> Dataset:
    """Open a data set of any form.

    Raises:
        DatasetError: if it is missing or damaged, or needs a package that is not installed.
    """
    folder = Path(path)
    form = form_of(folder)
    if form == "npz":
        return NpzData(folder)
    if form == "folder":
        return EpisodeData.open(folder)
    try:
        from wm_planner.data.lerobot.reader import LeRobotData
    except ModuleNotFoundError as error:
        raise DatasetError(missing_package(error, str(folder))) from None
    return LeRobotData(folder)


def writer(path: Path, meta: Meta, form: Form) -> Writer:
    """A writer of a data set in folder `path`, which must not exist.

    Raises:
        DatasetError: if the form cannot hold what `meta` describes, or needs a package that is not installed.
    """
    if form == "npz":
        return NpzWriter(path, meta)
    if form == "folder":
        return EpisodeWriter(path, meta)
    try:
        from wm_planner.data.lerobot.writer import LeRobotWriter
    except ModuleNotFoundError as error:
        raise DatasetError(missing_package(error, str(path))) from None
    return LeRobotWriter(path, meta)


def episode_at(data: Dataset, index: int) -> Episode:
    """Episode `index` of a data set, in memory."""
    rows = episode_rows(data.episode, index)
    images, state, action = (data.read(name, rows) for name in ("images", "state", "action"))
    return Episode(
        images=images.astype("uint8", copy=False),
        state=state.astype("float32", copy=False),
        action=action.astype("float32", copy=False),
        signals={signal.name: data.read(signal.name, rows) for signal in data.meta.signals},
    )
