"""The contract of a model file: a network that can be trained and, if it is a world model, exported."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wm_planner import plugins, share
from wm_planner.contracts.card import ActionSpec, LatentSpec, NoiseSpec, ObservationSpec
from wm_planner.errors import ConfigError, PluginError, did_you_mean
from wm_planner.training.recipe import TrainingRecipe


class ParameterGroup(NamedTuple):
    """Weights that are trained with settings of their own.

    Attributes:
        weights: of the group.
        learning_rate: factor of the recipe's learning rate.
        max_gradient_norm: to which the gradients of this group are clipped; None for the recipe's, to which
            the gradients of all groups without their own are clipped together.
    """

    weights: Sequence[nn.Parameter]
    learning_rate: float = 1.0
    max_gradient_norm: float | None = None


class Trainable(nn.Module, ABC):
    """A network with a loss on clips, which is all that the training loop needs.

    Attributes:
        about: one sentence for the card.
        observation: the cameras and states of its input.
        reads: signals (`reward`, ...) and state quantities of the data that the loss takes next to it.
    """

    about: str
    observation: ObservationSpec
    reads: tuple[str, ...] = ()

    @abstractmethod
    def loss(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch of clips.

        Args:
            batch: `images` (B, T, cameras, H, W, 3) uint8, `state` (B, T, S), `action` (B, T, A), where
                `action[:, t]` leads from frame t to t + 1; state and action in physical units. One more
                array (B, T, ...) for each name in `reads`.
            progress: completed fraction of the schedule, 0 to 1.
            generator: the only source of randomness.

        Returns:
            The scalar to minimise, and its terms by name.
        """

    def load_pretrained(self, path: Path) -> None:
        """Load the recipe's `pretrained` weights; called once, before the first iteration.

        Args:
            path: a weights file, or the folder of another run.

        Raises:
            ConfigError: if this network cannot start from pretrained weights.
            BundleError: if the weights do not fit.
        """
        raise ConfigError(f"{type(self).__name__} is trained from scratch: remove `pretrained` ({path})")

    def prepare(self, clips: Iterator[Mapping[str, Tensor]]) -> None:
        """Called once, after `load_pretrained` and before the first iteration.

        E.g. to compute statistics of a frozen network's outputs.

        Args:
            clips: an endless iterator of random batches as in `loss`, the same in all processes.
        """

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """All weights that are trained, each in one group; a single group by default."""
        return [ParameterGroup([weight for weight in self.parameters() if weight.requires_grad])]

    def after_step(self) -> None:
        """Called after every optimiser step, e.g. to update a target network."""

    def conclude(self, clips: Iterator[Mapping[str, Tensor]]) -> None:
        """Called once, after the last iteration of the schedule and before its checkpoint is written.

        E.g. to fit a part that is not trained by gradients.

        Args:
            clips: as in `prepare`.
        """

    def represent(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """What this network makes of one frame per clip, (B, ...), whose effective rank shows a collapse.

        Args:
            batch: of clips, as in `loss`.

        Returns:
            None if nothing is to be measured.
        """
        return None


class Past(NamedTuple):
    """What a model that remembers is told of the previous tick.

    Attributes:
        memory: the arrays that `encode` returned then, (B, ...); zeros after a reset.
        last_action: executed since, (B, A), in physical units; zeros after a reset.
        fresh: 1 after a reset, else 0, (B,) float32.
    """

    memory: Mapping[str, Tensor]
    last_action: Tensor
    fresh: Tensor


class TrainableModel(Trainable):
    """A world model under training. `encode`, `step`, `decode` and `act` become the graphs of a bundle.

    Attributes:
        latents: the arrays that `encode` returns and `step` takes and returns, in this order; `encode` does
            not return those of role `cache`, which start as zeros, nor `step` those of role `shared`.
        max_horizon: longest rollout in steps; 0 for no limit.
        capabilities: of the card: outputs that `step` returns by name next to the latent, (N,) each; with
            `surprise` that `encode` returns it, (B,); with `decode` that there is a decoder.
        noise: what `encode` and `step` take as `noise`.
        remembers: whether `encode` takes `past`.
        futures: noise draws per candidate that planners imagine by default.
        has_policy: whether there is a policy, `act`, which becomes `act.onnx`.
        action: of `step`, `act` and the past, where it is not that of the data, e.g. codes of continuous
            actions; see `own_action`.
        control_dt_s: duration of one step, where it is not that of a frame of the data's clips.
    """

    latents: tuple[LatentSpec, ...]
    max_horizon: int = 0
    capabilities: tuple[str, ...] = ()
    noise: tuple[NoiseSpec, ...] = ()
    remembers: bool = False
    futures: int = 1
    has_policy: bool = False
    action: ActionSpec | None = None
    control_dt_s: float | None = None

    def own_action(self, action: Tensor) -> Tensor:
        """The model's own action (..., A) for an action of its data, (..., A of the data).

        Raises:
            ConfigError: if the model has an `action` of its own and does not say what those of the data are.
        """
        if self.action is not None:
            raise ConfigError(
                f"{type(self).__name__} acts in {', '.join(self.action.names)}: override `own_action`, which "
                "converts the actions of the data"
            )
        return action

    def represent(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """The largest learned array of reals that `encode` returns: for the first frame of each clip, or for
        the last one with the memory of those before it.
        """
        learned = [s for s in self.latents if s.unit is None and s.role == "candidate" and s.dtype != "int64"]
        if not learned:
            return None
        name = max(learned, key=lambda spec: math.prod(spec.shape)).name
        images, state, action = (batch[key] for key in ("images", "state", "action"))
        encode: Callable[..., dict[str, Tensor]] = self.encode
        calm = {
            spec.name: action.new_full((len(action), *spec.shape), spec.calm)
            for spec in self.noise
            if spec.graph == "encode"
        }
        options: dict[str, Any] = {"noise": calm} if calm else {}
        if not self.remembers:
            return encode(images[:, 0], state[:, 0], **options)[name]
        kept = [spec for spec in self.latents if spec.role != "cache"]
        memory = {spec.name: action.new_zeros(len(action), *spec.shape) for spec in kept}
        actions = self.own_action(action)
        executed, fresh = torch.zeros_like(actions[:, 0]), action.new_ones(len(action))
        for t in range(images.shape[1]):
            latent = encode(images[:, t], state[:, t], past=Past(memory, executed, fresh), **options)
            memory = {spec.name: latent[spec.name] for spec in kept}
            executed, fresh = actions[:, t], torch.zeros_like(fresh)
        return memory[name]

    def to_half(self) -> None:
        """Convert weights and arithmetic to fp16; the inputs and outputs of `encode` and `step` stay fp32.

        Raises:
            ConfigError: if this network does not support it.
        """
        raise ConfigError(f"{type(self).__name__} does not support fp16: export it with `--precision fp32`")

    @abstractmethod
    def encode(self, images: Tensor, state: Tensor) -> dict[str, Tensor]:
        """Latents (B, ...) of images (B, cameras, H, W, 3) uint8 and states (B, S) in physical units.

        A model that `remembers` also takes `past: Past`, one with noise for its encoder
        `noise: Mapping[str, Tensor]`, (B, ...) by name.
        """

    @abstractmethod
    def step(self, latent: Mapping[str, Tensor], action: Tensor) -> dict[str, Tensor]:
        """Latents (N, ...) after `action` (N, A), in physical units, and the outputs by name.

        A model with noise for its steps also takes `noise: Mapping[str, Tensor]`, (N, ...) by name.
        """

    def decode(self, latent: Mapping[str, Tensor]) -> Tensor:
        """Images (N, cameras, H, W, 3) uint8 of latents (N, ...); only with the capability `decode`.

        Raises:
            ConfigError: if there is no decoder.
        """
        raise ConfigError(f"{type(self).__name__} has no decoder: remove `decode` from its capabilities")

    def act(self, latent: Mapping[str, Tensor]) -> Tensor:
        """The policy's mean actions (N, A), in physical units, or logits (N, n) of discrete actions.

        Raises:
            ConfigError: if there is no policy.
        """
        raise ConfigError(f"{type(self).__name__} has no policy: set has_policy to False")


class TrainablePolicy(Trainable):
    """A policy under training in the imagination of a frozen world model; `act` becomes `act.onnx`.

    Its loss gets a batch of `training.encoded.EncodedPairs` instead of clips.

    Attributes:
        goal: whether it acts towards a goal.
        names: the arrays of the latent, and of the goal's, that it takes, in order.
    """

    goal: bool
    names: tuple[str, ...]

    @abstractmethod
    def act(self, latent: Mapping[str, Tensor], goal: Mapping[str, Tensor] | None) -> Tensor:
        """Actions (N, A), card's units, or logits (N, n) of discrete actions.

        Args:
            latent: arrays (N, ...).
            goal: arrays (1, ...) or (N, ...); None without goals.
        """


class ModelFile(NamedTuple):
    """A loaded model file, e.g. models/ac_jepa.py.

    Attributes:
        path: of the file; its stem is the name of the family.
        recipes: recipes by name, all of the same class.
        build: creates the untrained network of a recipe for some data, or for the `Imagination` of a world
            model if the recipe is a `PolicyRecipe`.
    """

    path: Path
    recipes: Mapping[str, TrainingRecipe]
    build: Callable[[Any, Any], Trainable]

    def recipe(self, name: str) -> TrainingRecipe:
        """The recipe called `name`.

        Raises:
            PluginError: naming the closest recipe.
        """
        if name not in self.recipes:
            raise PluginError(f"{self.path} has no recipe '{name}', {did_you_mean(name, self.recipes)}")
        return self.recipes[name]


def load_model_file(path: str | Path) -> ModelFile:
    """Load a model file, which defines `RECIPES` and `build(recipe, data)`.

    Raises:
        PluginError: if it does not exist, or lacks one of the two.
    """
    found = share.find(path)
    module = plugins.load_file(found)
    missing = [name for name in ("RECIPES", "build") if not hasattr(module, name)]
    if missing:
        raise PluginError(
            f"{found} is not a model file: it lacks {' and '.join(missing)}; see models/ac_jepa.py"
        )
    return ModelFile(found, module.RECIPES, module.build)
