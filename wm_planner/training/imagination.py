"""A frozen world model whose imagined steps have gradients, in which policies are trained."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wm_planner import share
from wm_planner.checksum import sha256
from wm_planner.contracts.card import NoiseSpec
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Rollout
from wm_planner.contracts.world_model import WorldModel
from wm_planner.errors import BundleError, ConfigError
from wm_planner.training.checkpoint import CHECKPOINT_FILE, RUN_FILE, RunFolder
from wm_planner.training.graphs import StepGraph
from wm_planner.training.onnx_graph import OnnxGraph
from wm_planner.training.torch_model import TorchWorldModel
from wm_planner.training.trained import TrainedRun
from wm_planner.world_models.onnx.card_file import read_card
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.rollout_graph import NEXT, OUTPUT
from wm_planner.world_models.onnx.signature import NOISE

MAX_ERROR = 1e-3
"""Largest difference of a step in torch from that of ONNX Runtime."""

Graph = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
Act = Callable[[Mapping[str, Tensor]], Tensor]
"""Actions (N, A), card's units, at latents (N, ...)."""


class Source(NamedTuple):
    """Where a world model came from.

    Attributes:
        path: as the user gave it.
        checksum: sha256 of step.onnx or of the checkpoint.
        data: the data sets that it was trained on.
    """

    path: str
    checksum: str
    data: tuple[str, ...]

    @property
    def checksums(self) -> dict[str, str]:
        """Path to checksum."""
        return {self.path: self.checksum}


class Imagination:
    """A frozen world model.

    Attributes:
        source: where it came from.
        model: encodes observations.
        card: of the model.
    """

    def __init__(self, source: Source, model: WorldModel, step: Graph) -> None:
        self.source, self.model, self.card, self._step = source, model, model.card, step
        if shared := [spec.name for spec in self.card.latents if spec.role == "shared"]:
            raise ConfigError(
                f"a policy cannot be trained in the imagination of {source.path}: its candidates share "
                f"{', '.join(shared)} (card: latents), and so do all starts of a batch"
            )

    @classmethod
    def load(cls, path: str) -> "Imagination":
        """The world model of a bundle, or of a training run.

        Raises:
            BundleError: if a bundle has operators without gradients, or a run has no checkpoint.
        """
        if (Path(path) / RUN_FILE).is_file():
            return cls._of_run(path)
        folder = share.find(path)
        card, graph = read_card(folder), OnnxGraph(folder / "step.onnx")
        data = () if card.training is None else tuple(card.training.data)
        source = Source(path, card.graphs["step"].sha256, data)
        imagination = cls(source, OnnxWorldModel.load(folder, device="cpu"), graph)
        imagination._check()
        return imagination

    @classmethod
    def _of_run(cls, path: str) -> "Imagination":
        trained = TrainedRun.load(Path(path))
        module = StepGraph(trained.network.requires_grad_(False), trained.action)

        def step(feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return dict(zip(module.outputs, module(*(feed[name] for name in module.inputs)), strict=True))

        data = tuple(RunFolder(Path(path)).spec().datasets)
        source = Source(path, sha256(Path(path) / CHECKPOINT_FILE), data)
        return cls(source, TorchWorldModel.of_run(Path(path)), step)

    def start(self, latent: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Latents (N, ...) with their caches, which start as zeros."""
        count = len(next(iter(latent.values())))
        caches = [spec for spec in self.card.latents if spec.role == "cache"]
        empty = {
            spec.name: torch.zeros(count, *spec.shape, dtype=getattr(torch, spec.dtype)) for spec in caches
        }
        return {**empty, **latent}

    def step(
        self, latent: Mapping[str, Tensor], action: Tensor, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The latents (N, ...) and outputs (N,) after `action` (N, A), card's units.

        Args:
            generator: draws the noise that the model takes.
        """
        specs = [spec for spec in self.card.noise if spec.graph == "step"]
        noise = {NOISE + spec.name: _noise(spec, len(action), generator) for spec in specs}
        arrays = self._step({**latent, "action": action, **noise})
        return _with_prefix(arrays, NEXT), _with_prefix(arrays, OUTPUT)

    def unroll(
        self, act: Act, latent: Mapping[str, Tensor], steps: int, generator: torch.Generator
    ) -> tuple[Rollout, Tensor]:
        """What a policy does in imagination, from latents (N, ...): the rollout and its actions (N, H, A)."""
        now, latents, outputs, actions = self.start(latent), [], [], []
        for _ in range(steps):
            actions.append(act(now))
            after, output = self.step(now, actions[-1], generator)
            now = {**now, **after}
            latents.append(now)
            outputs.append(output)
        kept = [spec for spec in self.card.latents if spec.role == "candidate"]
        arrays = {spec.name: torch.stack([each[spec.name] for each in latents], dim=1) for spec in kept}
        states = {spec.name: arrays[spec.name] for spec in kept if spec.unit is not None}
        said = {name: torch.stack([each[name] for each in outputs], dim=1) for name in outputs[0]}
        return Rollout(arrays, states, said), torch.stack(actions, dim=1)

    def check_costs(self, costs: Sequence[WeightedCost]) -> None:
        """Check that costs can be the loss of a policy.

        Raises:
            ConfigError: for a cost with a limit, or one that needs more than the model and the goal's latent.
        """
        offers = self.card.offers | {"context:goal_latent"}
        for cost in costs:
            if missing := sorted(cost.cost.requires - offers):
                raise ConfigError(
                    f"cost '{cost.name}' requires {', '.join(missing)}, the imagination of "
                    f"{self.source.path} has {', '.join(sorted(offers))}"
                )
            if cost.limit is not None:
                raise ConfigError(
                    f"cost '{cost.name}' has a limit, which a loss cannot have: give it a weight"
                )

    @torch.no_grad()
    def _check(self) -> None:
        """Compare a step in torch with one in ONNX Runtime.

        Raises:
            BundleError: if they differ.
        """
        rng, action = np.random.default_rng(0), self.card.action
        specs = [spec for spec in self.card.latents if spec.role != "cache"]
        latent = {spec.name: rng.standard_normal((2, *spec.shape)).astype(spec.dtype) for spec in specs}
        low, high = (np.nan_to_num(bound, posinf=1.0, neginf=-1.0) for bound in (action.low, action.high))
        chosen = rng.uniform(low, high, (2, len(low))).astype(np.float32)
        wanted, _ = self.model.step(latent, chosen)
        calm = {
            NOISE + s.name: torch.full((2, *s.shape), s.calm) for s in self.card.noise if s.graph == "step"
        }
        start = self.start({name: torch.tensor(array) for name, array in latent.items()})
        got = self._step({**start, "action": torch.tensor(chosen), **calm})
        for name, array in wanted.items():
            error = float(np.max(np.abs(array - got[NEXT + name].numpy())))
            if not error <= MAX_ERROR * max(1.0, float(np.max(np.abs(array)))):  # true for NaN too
                raise BundleError(
                    f"{self.source.path}: step.onnx in torch differs from ONNX Runtime by {error:.1e} in "
                    f"{name}; give the folder of the training run instead of the bundle, if you have it"
                )


def _noise(spec: NoiseSpec, count: int, generator: torch.Generator) -> Tensor:
    """Noise (N, ...) of the distribution that the card names."""
    shape = (count, *spec.shape)
    if spec.kind == "normal":
        return torch.randn(shape, generator=generator)
    uniform = torch.rand(shape, generator=generator)
    return uniform if spec.kind == "uniform" else -torch.log(-torch.log(uniform.clamp(1e-7, 1 - 1e-7)))


def _with_prefix(arrays: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
