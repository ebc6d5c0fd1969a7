"""The result of training a policy: the network of its last checkpoint."""

from pathlib import Path
from typing import NamedTuple

from wm_planner.config import convert
from wm_planner.errors import BundleError
from wm_planner.training.checkpoint import Position, RunFolder, RunSpec
from wm_planner.training.imagination import Imagination
from wm_planner.training.module import TrainablePolicy, load_model_file


class TrainedPolicy(NamedTuple):
    """The result of training a policy.

    Attributes:
        network: in evaluation mode.
        spec: settings of the run.
        position: progress at the last checkpoint.
    """

    network: TrainablePolicy
    spec: RunSpec
    position: Position

    @classmethod
    def load(cls, run: Path) -> "TrainedPolicy":
        """Load the run in folder `run`.

        Raises:
            BundleError: if it has no valid checkpoint, its network is not a policy, or the world model in
                which it was trained has changed since.
        """
        folder = RunFolder(run)
        spec = folder.spec()
        ((path, checksum),) = spec.of.items()
        imagination = Imagination.load(path)
        if imagination.source.checksum != checksum:
            raise BundleError(
                f"{run} was trained in the imagination of {path}, which has changed since: train it again"
            )
        file = load_model_file(spec.model_file)
        recipe = convert(spec.recipe, type(file.recipe(spec.recipe_name)), f"{run}: recipe")
        network = file.build(recipe, imagination)
        if not isinstance(network, TrainablePolicy):
            raise BundleError(f"{run} trains {spec.model_file}, whose network is not a TrainablePolicy")
        position = folder.restore(network)
        if not position.iteration:
            raise BundleError(f"{run} has no trained checkpoint; run `wm train` first")
        return cls(network.eval(), spec, position)
