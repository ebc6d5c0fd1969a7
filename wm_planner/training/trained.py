"""What a training run made: the network as of its last checkpoint, and the card that it earns."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from wm_planner.config import convert, to_builtins
from wm_planner.data.episodes import EpisodeData
from wm_planner.errors import BundleError
from wm_planner.training.checkpoint import Position, RunFolder, RunSpec, flat
from wm_planner.training.module import TrainableModel, load_model_file
from wm_planner.world_models.card import Card, GraphSpec, TrainingRecord


class Trained(NamedTuple):
    """A network in evaluation mode, what it was trained as, and for how long."""

    network: TrainableModel
    spec: RunSpec
    position: Position

    @classmethod
    def load(cls, run: Path) -> "Trained":
        """The network of the run in folder `run`.

        Raises:
            BundleError: if it has no checkpoint, or one of another model.
        """
        folder = RunFolder(run)
        spec = folder.spec()
        file = load_model_file(spec.model_file)
        recipe = convert(spec.recipe, type(file.recipe(spec.recipe_name)), f"{run}: recipe")
        network = file.build(recipe, spec.data)
        position = folder.restore(network)
        if not position.iteration:
            raise BundleError(f"{run} has no trained checkpoint; run `wm train` first")
        return cls(network.eval(), spec, position)

    def commands(self, run: Path) -> tuple[str, ...]:
        """The command lines that collect the data (where it is still there) and train into `run`."""
        spec = self.spec
        folders = [folder for folder in spec.datasets if Path(folder).is_dir()]
        collecting = [EpisodeData.open(Path(folder)).meta.command(folder) for folder in folders]
        standard = flat(to_builtins(load_model_file(spec.model_file).recipe(spec.recipe_name)))
        changes = [f"{key}={value}" for key, value in flat(spec.recipe).items() if value != standard[key]]
        parts = ["wm", "train", spec.model_file, "--recipe", spec.recipe_name]
        parts += [part for path in spec.datasets for part in ("--data", path)]
        parts += [part for change in changes for part in ("--set", change)]
        return (*collecting, shlex.join([*parts, "--out", str(run)]))

    def card(self, name: str, graphs: Mapping[str, GraphSpec], command: tuple[str, ...] = ()) -> Card:
        """The card of a bundle of this network, made by `command` from nothing."""
        spec, data = self.spec, self.spec.data
        return Card(
            name=name,
            family=Path(spec.model_file).stem,
            about=self.network.about,
            observation=self.network.observation,
            action=data.action,
            control_dt_s=data.control_dt_s,
            latents=self.network.latents,
            graphs=dict(graphs),
            training=TrainingRecord(
                command=command,
                data=spec.datasets,
                revision=spec.revision,
                seed=spec.recipe["seed"],
                iterations=self.position.iteration,
                cpu_seconds=round(self.position.cpu_seconds, 1),
                recipe=spec.recipe,
            ),
        )
