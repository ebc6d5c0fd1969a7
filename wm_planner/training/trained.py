"""The result of a training run: the network of its last checkpoint, and its card."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from wm_planner.config import convert, to_builtins
from wm_planner.contracts.card import ActionSpec, Card, GraphSpec, PolicySpec, TrainingRecord
from wm_planner.data.episodes import read_meta
from wm_planner.data.forms import form_of
from wm_planner.errors import BundleError
from wm_planner.training.checkpoint import RUN_FILE, Position, RunFolder, RunSpec, flat
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.module import TrainableModel, load_model_file


class TrainedRun(NamedTuple):
    """The result of a training run.

    Attributes:
        network: in evaluation mode.
        spec: settings of the run.
        position: progress at the last checkpoint.
    """

    network: TrainableModel
    spec: RunSpec
    position: Position

    @classmethod
    def load(cls, run: Path) -> "TrainedRun":
        """Load the run in folder `run`.

        Raises:
            BundleError: if it has no valid checkpoint, or its network is not a world model.
        """
        folder = RunFolder(run)
        spec = folder.spec()
        file = load_model_file(spec.model_file)
        recipe = convert(spec.recipe, type(file.recipe(spec.recipe_name)), f"{run}: recipe")
        network = file.build(recipe, spec.data)
        if not isinstance(network, TrainableModel):
            raise BundleError(
                f"{run} trains {spec.model_file}, which does not predict the effect of actions and so cannot "
                "be used for planning; use it as `pretrained` of a model that does, e.g. models/vjepa2_ac.py"
            )
        position = folder.restore(network)
        if not position.iteration:
            raise BundleError(f"{run} has no trained checkpoint; run `wm train` first")
        return cls(network.eval(), spec, position)

    @property
    def action(self) -> ActionSpec:
        """What the network acts in."""
        return self.network.action or self.spec.data.action

    def card(self, name: str, graphs: Mapping[str, GraphSpec], command: tuple[str, ...] = ()) -> Card:
        """The card of a bundle called `name` of this network, which `command` reproduces from scratch."""
        spec, training = self.spec, training_record(self.spec, self.position, command)
        return model_card(self.network, name, spec.model_file, spec.data, graphs, training)


def training_record(spec: RunSpec, position: Position, command: tuple[str, ...] = ()) -> TrainingRecord:
    """How the network of a run was trained, which `command` reproduces from scratch."""
    rank = position.effective_rank
    return TrainingRecord(
        command=command,
        data=spec.datasets,
        pretrained=spec.pretrained or spec.of,
        revision=spec.revision,
        seed=spec.recipe["seed"],
        iterations=position.iteration,
        cpu_seconds=round(position.cpu_seconds, 1),
        wall_seconds=round(position.wall_seconds, 1),
        effective_rank=None if rank is None else round(rank, 2),
        recipe=spec.recipe,
    )


def model_card(
    network: TrainableModel,
    name: str,
    model_file: str,
    data: DataSpec,
    graphs: Mapping[str, GraphSpec],
    training: TrainingRecord,
) -> Card:
    """The card of a bundle called `name`, of a network that `model_file` built for `data`."""
    return Card(
        name=name,
        family=Path(model_file).stem,
        about=network.about,
        observation=network.observation,
        action=network.action or data.action,
        control_dt_s=network.control_dt_s or data.control_dt_s,
        latents=network.latents,
        noise=network.noise,
        remembers=network.remembers,
        futures=network.futures,
        capabilities=network.capabilities,
        policy=PolicySpec(goal=False) if network.has_policy else None,
        max_horizon=network.max_horizon,
        graphs=dict(graphs),
        training=training,
    )


def training_commands(run: Path) -> tuple[str, ...]:
    """The command lines that reproduce the run in folder `run` from scratch, in order.

    They include the collection of its data sets, if these still exist and were not converted from another
    form, and the run that it starts from.
    """
    spec = RunFolder(run).spec()
    folders = {folder: Path(folder) for folder in spec.datasets if form_of(Path(folder)) == "folder"}
    if spec.practice:  # which collects its own data
        folders = {name: path for name, path in folders.items() if path.resolve().parent != run.resolve()}
    collected = {folder: read_meta(path) for folder, path in folders.items() if path.is_dir()}
    collection = [meta.command(folder) for folder, meta in collected.items() if meta.revision]
    runs = [Path(path) for path in (*spec.pretrained, *spec.of)]
    earlier_runs = [path for path in runs if (path / RUN_FILE).is_file()]
    earlier = [command for path in earlier_runs for command in training_commands(path)]
    if spec.practice:
        return tuple(dict.fromkeys((*collection, f"{spec.practice} --out {run}")))
    default = load_model_file(spec.model_file).recipe(spec.recipe_name)
    recipe = convert(spec.recipe, type(default), f"{run}: recipe")
    defaults = flat(to_builtins(default))
    changes = [f"{key}={value}" for key, value in flat(to_builtins(recipe)).items() if value != defaults[key]]
    words = ["wm", "train", spec.model_file, "--recipe", spec.recipe_name]
    words += [word for path in spec.of for word in ("--of", path)]
    words += [word for path in spec.datasets for word in ("--data", path)]
    words += [word for change in changes for word in ("--set", change)]
    return tuple(dict.fromkeys((*collection, *earlier, shlex.join([*words, "--out", str(run)]))))
