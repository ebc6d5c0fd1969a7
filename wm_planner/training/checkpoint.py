"""A training run on disk: `run.yaml` (what is trained), `checkpoint.pt` (how far it is), and its log."""

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
from wm_planner.errors import BundleError
from wm_planner.training import log
from wm_planner.training.clips import DataSpec
from wm_planner.training.processes import load_optimizer, whole
from wm_planner.training.recipe import TrainingRecipe

RUN_FILE = "run.yaml"
CHECKPOINT_FILE = "checkpoint.pt"
MAY_CHANGE = {"revision", "recipe.cpu_seconds"}  # between the parts of one run


class RunSpec(Config, frozen=True, kw_only=True):
    """What a run trains; a checkpoint is resumed only by the same.

    Attributes:
        model_file: path as given, e.g. models/ac_jepa.py.
        recipe_name: of the model file's recipes; `recipe` is that one with its changes.
        datasets: folder to the sha256 of its meta.yaml.
        pretrained: weights that it starts from, to their sha256.
        revision: of the source.
    """

    model_file: str
    recipe_name: str
    recipe: dict[str, Any]
    datasets: dict[str, str]
    data: DataSpec
    revision: str
    pretrained: dict[str, str] = msgspec.field(default_factory=dict)


class Position(Config, frozen=True, kw_only=True):
    """How far a run is. Iteration `i` draws its clips and noise from (seed, i), so this is all there is."""

    iteration: int = 0
    cpu_seconds: float = 0.0


class RunFolder:
    """The files of one run.

    Args:
        path: of the folder.
        writes: false for a process that only takes part; what it would write, another does.
    """

    def __init__(self, path: Path, writes: bool = True) -> None:
        self.path = path
        self.writes = writes

    def open(self, spec: RunSpec, recipe: type[TrainingRecipe]) -> None:
        """Begin the run of `spec` here, or check that the one that is here is the same.

        Args:
            recipe: class of the spec's recipe; a field that a run here does not know yet has its default.

        Raises:
            BundleError: if another run is here.
        """
        file = self.path / RUN_FILE
        if file.is_file():
            here = self.spec()
            known = to_builtins(convert(here.recipe, recipe, f"{file}: recipe"))
            found = flat(to_builtins(msgspec.structs.replace(here, recipe=known)))
            wanted = flat(to_builtins(spec))
            for key in sorted((found.keys() | wanted.keys()) - MAY_CHANGE):
                if found.get(key) != wanted.get(key):
                    raise BundleError(
                        f"{self.path} holds another training run: {key} is {found.get(key)} there, "
                        f"{wanted.get(key)} now; give another folder, or remove this one to start anew"
                    )
        if not self.writes:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        _write(file, yaml.safe_dump(to_builtins(spec), sort_keys=False).encode())

    def spec(self) -> RunSpec:
        """What the run trains.

        Raises:
            ConfigError: if this is no training run.
        """
        file = self.path / RUN_FILE
        return convert(read_yaml(file), RunSpec, str(file))

    def save(self, position: Position, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Keep the run as it is now, whole or not at all; all processes must ask."""
        state = {
            "model": whole(model.state_dict()),
            "optimizer": whole(optimizer.state_dict()),
            **to_builtins(position),
        }
        if not self.writes:
            return
        temporary = self.path / (CHECKPOINT_FILE + ".part")
        torch.save(state, temporary)
        temporary.replace(self.path / CHECKPOINT_FILE)

    def restore(self, model: torch.nn.Module) -> Position:
        """Load the checkpoint, if there is one, into `model`, which is not spread yet.

        Raises:
            BundleError: if it is torn or of another model.
        """
        return self._load(lambda state: model.load_state_dict(state["model"]))

    def restore_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Load the checkpoint, if there is one, into `optimizer`, whose weights may be spread.

        Raises:
            BundleError: if it is torn or of another model.
        """
        self._load(lambda state: load_optimizer(optimizer, state["optimizer"]))

    def _load(self, into: Callable[[dict[str, Any]], object]) -> Position:
        file = self.path / CHECKPOINT_FILE
        if not file.is_file():
            return Position()
        if not zipfile.is_zipfile(file):
            raise BundleError(f"{file}: torn or no checkpoint; remove it and train again")
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            into(state)
            return Position(iteration=state["iteration"], cpu_seconds=state["cpu_seconds"])
        except (RuntimeError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
            raise BundleError(f"{file}: not a checkpoint of this model ({error}); train again") from None

    def log(self, iteration: int) -> AbstractContextManager[Callable[[log.Line], None]]:
        """A function that appends a line to the log, as it was at the checkpoint of `iteration`."""
        return log.opened(self.path, iteration) if self.writes else nullcontext(lambda line: None)


def _write(file: Path, content: bytes) -> None:
    temporary = file.with_name(file.name + ".part")
    temporary.write_bytes(content)
    temporary.replace(file)


def flat(values: Any, path: str = "") -> dict[str, str]:
    """Dotted path to the text of every leaf of nested mappings, as `--set` reads it."""
    if isinstance(values, Mapping):
        parts = [flat(value, f"{path}.{key}" if path else key) for key, value in values.items()]
        return {key: text for part in parts for key, text in part.items()}
    return {path: "null" if values is None else str(list(values) if isinstance(values, tuple) else values)}
