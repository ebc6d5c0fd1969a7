"""A training run on disk: `run.yaml` (its settings), `checkpoint.pt` (its progress), and its log."""

import pickle
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import torch
import yaml

from wm_planner.config import Config, convert, read_yaml, to_builtins
from wm_planner.data.folders import atomic_file
from wm_planner.errors import BundleError
from wm_planner.training import log
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.processes import load_optimizer, unsharded
from wm_planner.training.recipe import TrainingRecipe

RUN_FILE = "run.yaml"
CHECKPOINT_FILE = "checkpoint.pt"
MAY_CHANGE = {"revision", "recipe.cpu_seconds"}  # when a run is resumed


class RunSpec(Config, frozen=True, kw_only=True):
    """The settings of a run; a checkpoint can only be resumed with the same ones.

    Attributes:
        model_file: path as the user gave it, e.g. models/ac_jepa.py.
        recipe_name: of the recipe in the model file that `recipe` is derived from.
        recipe: the complete recipe, with overrides.
        datasets: folder to its checksum, the sha256 of its meta.yaml; a run may be resumed with the same
            data at another path.
        data: what the network knows about the data.
        revision: git revision of the source.
        pretrained: path of pretrained weights to their sha256; empty without.
        practice: the command that collects and trains by turns in this folder; empty for a training on fixed
            data. Data sets may be added to such a run.
        of: path of the frozen world model that a policy is trained in to its checksum; empty without.
    """

    model_file: str
    recipe_name: str
    recipe: dict[str, Any]
    datasets: dict[str, str]
    data: DataSpec
    revision: str
    pretrained: dict[str, str] = msgspec.field(default_factory=dict)
    practice: str = ""
    of: dict[str, str] = msgspec.field(default_factory=dict)


class Position(Config, frozen=True, kw_only=True):
    """The progress of a run.

    The clips and noise of iteration `i` are seeded with (seed, i), so no random state needs to be saved.

    Attributes:
        iteration: completed iterations.
        cpu_seconds: CPU time, summed over all processes.
        wall_seconds: duration, without interruptions.
        effective_rank: of the representation, when it was last measured.
    """

    iteration: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    effective_rank: float | None = None


class RunFolder:
    """The files of one run.

    Args:
        path: of the folder.
        writes: False for all but the main process of a distributed training.
    """

    def __init__(self, path: Path, writes: bool = True) -> None:
        self.path = path
        self.writes = writes

    def open(self, spec: RunSpec, recipe: type[TrainingRecipe]) -> None:
        """Start a run, or check that the existing one has the same settings.

        Args:
            spec: its settings.
            recipe: class of the recipe; fields that an existing run does not have yet get their defaults.

        Raises:
            BundleError: if the folder holds a run with other settings.
        """
        file = self.path / RUN_FILE
        if self.exists:
            existing = self.spec()
            if spec.practice and _begins_with(spec, existing):
                existing = msgspec.structs.replace(existing, datasets=spec.datasets)
            complete = to_builtins(convert(existing.recipe, recipe, f"{file}: recipe"))
            found = _comparable(msgspec.structs.replace(existing, recipe=complete))
            wanted = _comparable(spec)
            for key in sorted((found.keys() | wanted.keys()) - MAY_CHANGE):
                if found.get(key) != wanted.get(key):
                    raise BundleError(
                        f"{self.path} holds another training run: {key} is {found.get(key)} there, "
                        f"{wanted.get(key)} now; choose another folder, or remove this one to start over"
                    )
        if not self.writes:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_file(file) as temporary:
            temporary.write_text(yaml.safe_dump(to_builtins(spec), sort_keys=False), encoding="utf-8")

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return (self.path / RUN_FILE).is_file()

    def spec(self) -> RunSpec:
        """The settings of the run.

        Raises:
            ConfigError: if the folder is not a training run.
        """
        file = self.path / RUN_FILE
        return convert(read_yaml(file), RunSpec, str(file))

    def save(self, position: Position, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write a checkpoint, atomically; must be called in all processes."""
        state = {
            "model": unsharded(model.state_dict()),
            "optimizer": unsharded(optimizer.state_dict()),
            **to_builtins(position),
        }
        if not self.writes:
            return
        with atomic_file(self.path / CHECKPOINT_FILE) as temporary:
            torch.save(state, temporary)

    def restore(self, model: torch.nn.Module) -> Position:
        """Load the checkpoint, if there is one, into `model`, before it is distributed.

        Returns:
            The progress of the run; that of iteration 0 without a checkpoint.

        Raises:
            BundleError: if the checkpoint is corrupt or belongs to another model.
        """
        return self._load(lambda state: model.load_state_dict(state["model"]))

    def restore_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Load the checkpoint, if there is one, into `optimizer`, whose weights may be sharded.

        Raises:
            BundleError: if the checkpoint is corrupt or belongs to another model.
        """
        self._load(lambda state: load_optimizer(optimizer, state["optimizer"]))

    def _load(self, into: Callable[[dict[str, Any]], object]) -> Position:
        file = self.path / CHECKPOINT_FILE
        if not file.is_file():
            return Position()
        if not zipfile.is_zipfile(file):
            raise BundleError(f"{file}: corrupt or not a checkpoint; remove it and train again")
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            into(state)
            return Position(
                iteration=state["iteration"],
                cpu_seconds=state["cpu_seconds"],
                wall_seconds=state.get("wall_seconds", 0.0),
                effective_rank=state.get("effective_rank"),
            )
        except (RuntimeError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
            raise BundleError(f"{file}: not a checkpoint of this model ({error}); train again") from None

    @property
    def position(self) -> Position:
        """The progress of the last checkpoint; that of iteration 0 without one.

        Raises:
            BundleError: if the checkpoint is corrupt.
        """
        return self._load(lambda state: None)

    def log(self, iteration: int) -> AbstractContextManager[Callable[[log.Line], None]]:
        """A function that appends a line to the log, which is cut back to the checkpoint of `iteration`."""
        return log.open_log(self.path, iteration) if self.writes else nullcontext(lambda line: None)


def _comparable(spec: RunSpec) -> dict[str, str]:
    """The settings by dotted path, with data sets by their checksums instead of their paths."""
    checksums = {str(index): checksum for index, checksum in enumerate(spec.datasets.values())}
    return flat({**to_builtins(spec), "datasets": checksums})


def _begins_with(spec: RunSpec, existing: RunSpec) -> bool:
    """Whether the data sets of `spec` are those of the existing run, and perhaps more."""
    before, now = tuple(existing.datasets.values()), tuple(spec.datasets.values())
    return now[: len(before)] == before


def flat(values: Any, path: str = "") -> dict[str, str]:
    """Nested mappings as one mapping from dotted path to text, as `--set` reads it."""
    if isinstance(values, Mapping):
        parts = [flat(value, f"{path}.{key}" if path else key) for key, value in values.items()]
        return {key: text for part in parts for key, text in part.items()}
    return {path: "null" if values is None else str(list(values) if isinstance(values, tuple) else values)}
