"""The graphs of a bundle as torch modules with the inputs, outputs and names of their ONNX files."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from wm_planner.contracts.card import NOT_OF_STEP, ActionSpec, LatentSpec, NoiseSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.training.module import Past, TrainableModel
from wm_planner.world_models.example_inputs import draw_noise, example_actions, example_state
from wm_planner.world_models.onnx.camera_images import noise_image
from wm_planner.world_models.onnx.rollout_graph import NEXT, OUTPUT
from wm_planner.world_models.onnx.signature import FRESH, IMAGE, LAST_ACTION, MEMORY, NOISE, STATE

DISTINCT = 4
"""Number of different noise pictures whose latents the other graphs are tried on: encoders may be slow."""


class BundleGraph(nn.Module, ABC):
    """One graph of a bundle.

    Attributes:
        inputs, outputs: names, in order.
        single: inputs without a batch axis of any size, because all candidates share them.
    """

    inputs: list[str]
    outputs: list[str]
    single: frozenset[str] = frozenset()

    @abstractmethod
    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Random inputs of batch size `batch`."""


class _ModelGraph(BundleGraph):
    """A graph of a world model."""

    def __init__(self, model: TrainableModel) -> None:
        super().__init__()
        self.model = model

    def _noise(self, graph: str) -> list[NoiseSpec]:
        return [spec for spec in self.model.noise if spec.graph == graph]

    def _encoded(self, batch: int, action: ActionSpec, rng: np.random.Generator) -> dict[str, Tensor]:
        """Latents of noise pictures, repeated to `batch`; shared ones (1, ...), empty caches."""
        count = min(batch, DISTINCT)
        encode = EncodeGraph(self.model, action)
        with torch.no_grad():
            arrays = dict(zip(encode.outputs, encode(*encode.example(count, rng)), strict=True))
        rows = torch.arange(batch) % count
        return {
            spec.name: _zeros(spec, batch)
            if spec.role == "cache"
            else arrays[spec.name][:1]
            if spec.role == "shared"
            else arrays[spec.name][rows]
            for spec in self.model.latents
        }


class EncodeGraph(_ModelGraph):
    """`encode` with one input per camera, one for the states if there are any, memory and noise."""

    def __init__(self, model: TrainableModel, action: ActionSpec) -> None:
        super().__init__(model)
        self.action = action
        spec = model.observation
        self.encoded = [latent for latent in model.latents if latent.role != "cache"]
        self.inputs = [IMAGE + camera for camera in spec.cameras] + [STATE] * bool(spec.state)
        if model.remembers:
            self.inputs += [MEMORY + latent.name for latent in self.encoded] + [LAST_ACTION, FRESH]
        self.inputs += [NOISE + noise.name for noise in self._noise("encode")]
        self.outputs = [latent.name for latent in self.encoded]
        self.outputs += [OUTPUT + "surprise"] * ("surprise" in model.capabilities)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        spec, named = self.model.observation, dict(zip(self.inputs, inputs, strict=True))
        batch = inputs[0].shape[0]
        images = [named[IMAGE + camera] for camera in spec.cameras]
        none = torch.empty(batch, 0, device=inputs[0].device)
        pictures = torch.stack(images, dim=1) if images else none.to(torch.uint8).view(batch, 0, 0, 0, 3)
        further: dict[str, object] = {}
        if self.model.remembers:
            memory = {latent.name: named[MEMORY + latent.name] for latent in self.encoded}
            further["past"] = Past(memory, named[LAST_ACTION], named[FRESH])
        if noise := self._noise("encode"):
            further["noise"] = {each.name: named[NOISE + each.name] for each in noise}
        state = named.get(STATE, none)
        latent = self.model.encode(pictures, state, **further)
        return tuple(latent[name.removeprefix(OUTPUT)] for name in self.outputs)

    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Uniform noise images, random states, and the memory of others in every second row."""
        spec = self.model.observation
        arrays = [torch.from_numpy(noise_image(spec, rng, (batch,))) for _ in spec.cameras]
        if spec.state:
            arrays.append(_states(spec.state, batch, rng))
        noise = [torch.from_numpy(draw_noise(each, (batch,), rng)) for each in self._noise("encode")]
        if not self.model.remembers:
            return (*arrays, *noise)
        reset = [_zeros(latent, batch) for latent in self.encoded]
        none = torch.zeros(batch, len(self.action.names))
        with torch.no_grad():
            memory = self(*arrays, *reset, none, torch.ones(batch), *noise)[: len(self.encoded)]
        action = torch.from_numpy(example_actions(self.action, (batch,), rng))
        fresh = torch.arange(batch) % 2
        kept = [array * (1 - fresh).view(-1, *[1] * (array.ndim - 1)).to(array.dtype) for array in memory]
        return (*arrays, *kept, action * (1 - fresh)[:, None], fresh.to(torch.float32), *noise)


class StepGraph(_ModelGraph):
    """`step` with one input per array of the latent, then the action and noise."""

    def __init__(self, model: TrainableModel, action: ActionSpec) -> None:
        super().__init__(model)
        self.action = action
        self.names = [latent.name for latent in model.latents]
        self.moving = [latent.name for latent in model.latents if latent.role != "shared"]
        self.single = frozenset(self.names) - frozenset(self.moving)
        self.noise = [noise.name for noise in self._noise("step")]
        self.capabilities = [name for name in model.capabilities if name not in NOT_OF_STEP]
        self.inputs = [*self.names, "action", *(NOISE + name for name in self.noise)]
        self.outputs = [NEXT + name for name in self.moving] + [OUTPUT + name for name in self.capabilities]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(self.inputs, inputs, strict=True))
        further = {"noise": {name: named[NOISE + name] for name in self.noise}} if self.noise else {}
        latent = {name: named[name] for name in self.names}
        after = self.model.step(latent, named["action"], **further)
        return tuple(after[name] for name in (*self.moving, *self.capabilities))

    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Latents of noise pictures, zero caches, actions in bounds."""
        latent = self._encoded(batch, self.action, rng)
        action = torch.from_numpy(example_actions(self.action, (batch,), rng))
        noise = [torch.from_numpy(draw_noise(each, (batch,), rng)) for each in self._noise("step")]
        return (*(latent[name] for name in self.names), action, *noise)


class DecodeGraph(_ModelGraph):
    """`decode` with one input per array of the latent that it reads, and one output per camera."""

    def __init__(self, model: TrainableModel, action: ActionSpec) -> None:
        super().__init__(model)
        self.action = action
        self.outputs = [IMAGE + camera for camera in model.observation.cameras]
        reads = _Reads(self._encoded(1, action, np.random.default_rng(0)))
        with torch.no_grad():
            model.decode(reads)
        self.inputs = [latent.name for latent in model.latents if latent.name in reads.names]
        shared = {latent.name for latent in model.latents if latent.role == "shared"}
        self.single = frozenset(shared & set(self.inputs))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.model.decode(dict(zip(self.inputs, inputs, strict=True))).unbind(1)

    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Latents of noise pictures."""
        latent = self._encoded(batch, self.action, rng)
        return tuple(latent[name] for name in self.inputs)


class ActGraph(_ModelGraph):
    """`act`, the policy, with one input per array of the latent that it reads."""

    def __init__(self, model: TrainableModel, action: ActionSpec) -> None:
        super().__init__(model)
        self.action = action
        self.outputs = ["logits" if action.choices else "action"]
        reads = _Reads(self._encoded(1, action, np.random.default_rng(0)))
        with torch.no_grad():
            model.act(reads)
        self.inputs = [latent.name for latent in model.latents if latent.name in reads.names]
        shared = {latent.name for latent in model.latents if latent.role == "shared"}
        self.single = frozenset(shared & set(self.inputs))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (self.model.act(dict(zip(self.inputs, inputs, strict=True))),)

    def example(self, batch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Latents of noise pictures."""
        latent = self._encoded(batch, self.action, rng)
        return tuple(latent[name] for name in self.inputs)


class _Reads(Mapping[str, Tensor]):
    """A latent that takes down which of its arrays are read."""

    def __init__(self, latent: Mapping[str, Tensor]) -> None:
        self._latent = latent
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.names.add(name)
        return self._latent[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._latent)

    def __len__(self) -> int:
        return len(self._latent)


def _zeros(latent: LatentSpec, batch: int) -> Tensor:
    return torch.zeros(batch, *latent.shape, dtype=getattr(torch, latent.dtype))


def _states(quantities: Sequence[Quantity], batch: int, rng: np.random.Generator) -> Tensor:
    """Standard normal states (batch, S), and within their bounds those of quantities that have any."""
    states = rng.standard_normal((batch, sum(each.size for each in quantities)), dtype=np.float32)
    start = 0
    for each in quantities:
        if each.low or each.high or each.choices:
            rows = [example_state(each, rng) for _ in range(batch)]
            states[:, start : start + each.size] = rows
        start += each.size
    return torch.from_numpy(states)
