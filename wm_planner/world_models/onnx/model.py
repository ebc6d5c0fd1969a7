"""A world model that runs the graphs of a bundle in ONNX Runtime, checked against its card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from wm_planner import share
from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.errors import BundleError, ConfigError
from wm_planner.world_models.onnx import signature
from wm_planner.world_models.onnx.card_file import CARD_FILE, read_card
from wm_planner.world_models.onnx.decoder import Decoder, decoder_of
from wm_planner.world_models.onnx.execution import CPU, Device, providers
from wm_planner.world_models.onnx.inputs import (
    Arrays,
    checked_actions,
    initial_latent,
    latent_feed,
    memory_feed,
    noise_feed,
    observation_feed,
    repeated_latent,
)
from wm_planner.world_models.onnx.policy_graph import OnnxPolicy, load_policy
from wm_planner.world_models.onnx.repeatability import check_parity, check_repeatable, same_rollouts
from wm_planner.world_models.onnx.rollout_graph import (
    ACTIONS,
    LATENT,
    NEXT,
    OUTPUT,
    rollout_graph,
)
from wm_planner.world_models.onnx.session import Graph
from wm_planner.world_models.onnx.unroll_graph import CHOSEN

ROLLOUT_OPSET = 15
"""Oldest operator set of a step.onnx that can be the body of a rollout graph."""

LARGEST_ROLLOUT = 200_000_000
"""Largest step.onnx, in bytes, of which a rollout graph is made: that doubles the memory for its weights, and
the saved calls are negligible for a larger model.
"""


class OnnxWorldModel:
    """A `WorldModel` that runs a bundle's `encode.onnx` and `step.onnx`.

    Args:
        card: of the bundle.
        encode, step: its graphs.
        rollout: the graph made by `rollout_graph`; None to call `step` once per step of a rollout.
        policy: None if the bundle has none.
        decoder: None if the bundle has none.

    Attributes:
        note: why rollouts call `step.onnx` once per step although it is small; empty if they do not.
    """

    def __init__(
        self,
        card: Card,
        encode: Graph,
        step: Graph,
        rollout: Graph | None = None,
        policy: OnnxPolicy | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        self._card = card
        self._encode = encode
        self._step = step
        self._rollout_graph = rollout
        self._policy = policy
        self._decoder = decoder
        self.note = ""

    @classmethod
    def load(cls, folder: str | Path, device: Device = "auto", threads: int = 1) -> "OnnxWorldModel":
        """Load a bundle and check its graphs against its card.

        Args:
            folder: of the bundle, a path or e.g. "models/bundles/panda_reach"; see `share.find`.
            device: `auto` uses a GPU if there is a usable one, else the CPU; `cuda` and `tensorrt` only that.
                What a GPU computes is compared with the CPU.
            threads: per call; several concurrent calls are faster than several threads in one call.

        Raises:
            BundleError: naming the line of the card that disagrees with a graph, or the output of a graph
                that depends on chance or on the other candidates; not looked for in a large model. Also
                if the device computes something else than the CPU.
            ConfigError: if `device` is cuda or tensorrt, which cannot be used here.
        """
        folder = share.find(folder)
        card = read_card(folder)
        path = folder / CARD_FILE
        for name in ("encode", "step"):
            if name not in card.graphs:
                raise BundleError(f"{path}: graphs.{name} is missing; export the bundle again")
        chosen = providers(device)
        encode, step = (Graph(folder / f"{name}.onnx", chosen, threads) for name in ("encode", "step"))
        signature.check(f"{path}: encode.onnx", "input", signature.encode_inputs(card), encode.inputs)
        signature.check(f"{path}: encode.onnx", "output", signature.encode_outputs(card), encode.outputs)
        signature.check(f"{path}: step.onnx", "input", signature.step_inputs(card), step.inputs)
        signature.check(f"{path}: step.onnx", "output", signature.step_outputs(card), step.outputs)
        further = (card, folder, chosen, threads)
        policy = load_policy(*further, LARGEST_ROLLOUT)
        model = cls(card, encode, step, policy=policy, decoder=decoder_of(*further))
        file = folder / "step.onnx"
        if file.stat().st_size <= LARGEST_ROLLOUT and card.graphs["step"].data_sha256 is None:
            check_repeatable(str(path), model)
            model._fuse(file, chosen, threads)
        if chosen[0] != CPU:
            check_parity(str(path), chosen[0], model, cls.load(folder, "cpu", threads))
        return model

    def _fuse(self, file: Path, providers: list[str], threads: int) -> None:
        """Imagine whole rollouts in one call, or take down in `note` why that is not possible."""
        try:
            serialized = rollout_graph(onnx.load(file), self._card).SerializeToString()
            self._rollout_graph = Graph(file, providers, threads, serialized)
            reason = "" if same_rollouts(self) else "it computes other values there"
        except (BundleError, KeyError, ValueError) as error:
            reason = str(error)
        if reason:
            self._rollout_graph = None
            self.note = (
                f"{file}: rollouts take one call per step, because this graph cannot be the body of a loop "
                f"({reason}): export it with operator set {ROLLOUT_OPSET} or newer and without control flow"
            )

    @property
    def card(self) -> Card:
        return self._card

    def encode(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> Latent:
        """The latent of one observation, arrays (1, ...).

        Raises:
            ShapeError: for a missing camera, an array whose shape disagrees with the card, or memory, a last
                action or noise that the graph does not take.
        """
        return self.encode_with_outputs(observation, last_action, memory, noise)[0]

    def encode_with_outputs(
        self,
        observation: Observation,
        last_action: Array | None = None,
        memory: Latent | None = None,
        noise: Mapping[str, Array] | None = None,
    ) -> tuple[Latent, Mapping[str, Array]]:
        """The latent, and the encoder's other outputs (1,) by name: `surprise`, by the capabilities."""
        arrays = self._encode.run(
            {
                **observation_feed(self._card, observation),
                **memory_feed(self._card, last_action, memory),
                **noise_feed(self._card, "encode", noise, count=1),
            }
        )
        outputs = _with_prefix(arrays, OUTPUT)
        return {name: a for name, a in arrays.items() if not name.startswith(OUTPUT)}, outputs

    def step(
        self, latent: Latent, action: Array, noise: Mapping[str, Array] | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """The latents (N, ...), except shared ones, and outputs (N,) after `action` (N, A).

        Raises:
            ShapeError: for arrays whose shape disagrees with the card, or noise that the graph does not take.
        """
        actions = checked_actions(self._card, action, "N")
        return self._advance(
            latent_feed(self._card, latent), actions, noise_feed(self._card, "step", noise, len(actions))
        )

    def rollout(self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None) -> Rollout:
        """Imagine `actions` (N, H, A) from one `latent` (1, ...), or from N of them.

        Raises:
            ShapeError: for arrays whose shape disagrees with the card, or noise that the graph does not take.
        """
        if self._rollout_graph is None:
            return self.step_by_step(latent, actions, noise)
        actions = checked_actions(self._card, actions, "NH")
        start = initial_latent(self._card, latent, len(actions))
        drawn = noise_feed(self._card, "step", noise, *actions.shape[:2]) if self._card.noise or noise else {}
        arrays = self._rollout_graph.run({**start, ACTIONS: actions, **drawn})
        return self._rollout(_with_prefix(arrays, LATENT), _with_prefix(arrays, OUTPUT))

    def step_by_step(
        self, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None
    ) -> Rollout:
        """The same as `rollout`, with one call of `step.onnx` per step."""
        actions = checked_actions(self._card, actions, "NH")
        drawn = noise_feed(self._card, "step", noise, *actions.shape[:2])
        now = repeated_latent(self._card, latent, len(actions))
        kept = [spec for spec in self._card.latents if spec.role == "candidate"]
        latents: list[Arrays] = []
        outputs: list[Arrays] = []
        for step in range(actions.shape[1]):
            own = {name: array[:, step] for name, array in drawn.items()}
            after, output = self._advance(now, actions[:, step], own)
            now.update(after)
            latents.append({spec.name: after[spec.name] for spec in kept})
            outputs.append(output)
        return self._rollout(
            {spec.name: _stack_steps(latents, spec.name) for spec in kept},
            {name: _stack_steps(outputs, name) for name in outputs[0]},
        )

    def act(self, latent: Latent, goal_latent: Latent | None = None) -> Array:
        """The actions (N, A), or the logits (N, n), of the bundle's policy; see `Policy.act`.

        Raises:
            ConfigError: if the bundle has no policy, or the policy needs a goal.
            ShapeError: for arrays whose shape disagrees with the card.
        """
        if self._policy is None:
            raise ConfigError(f"{self._card.name} has no policy (card: policy)")
        return self._policy.act(latent, goal_latent)

    def unroll(
        self, latent: Latent, goal_latent: Latent | None, horizon: int
    ) -> tuple[NDArray[np.float32], Rollout] | None:
        """The policy's actions in imagination and their rollout, in one call; see `Unrolling.unroll`."""
        arrays = None if self._policy is None else self._policy.unroll(latent, goal_latent, horizon)
        if arrays is None:
            return None
        actions = arrays.pop(CHOSEN)
        return actions, self._rollout(_with_prefix(arrays, LATENT), _with_prefix(arrays, OUTPUT))

    def decode(self, latent: Latent) -> Mapping[str, Array]:
        """Images (N, H, W, 3) uint8, RGB, by camera, of a latent (N, ...), e.g. one that was imagined.

        Raises:
            BundleError: naming the line of the card that disagrees with `decode.onnx`, at the first call.
            ConfigError: if the bundle has no decoder.
            ShapeError: for arrays whose shape disagrees with the card.
        """
        if self._decoder is None:
            raise ConfigError(f"{self._card.name} has no decoder (card: capabilities)")
        return self._decoder.images(latent)

    def _rollout(self, latents: Mapping[str, Array], outputs: Mapping[str, Array]) -> Rollout:
        kept = [spec for spec in self._card.latents if spec.role == "candidate"]
        return Rollout(
            {spec.name: latents[spec.name] for spec in kept},
            {spec.name: latents[spec.name] for spec in kept if spec.unit is not None},
            outputs,
        )

    def _advance(self, latent: Arrays, action: NDArray[np.float32], noise: Arrays) -> tuple[Arrays, Arrays]:
        """One call of `step.onnx`, with noise (N, ...) or (1, ...)."""
        count = len(action)
        drawn = {name: np.broadcast_to(a, (count, *a.shape[1:])) for name, a in noise.items()}
        feed = {**latent, "action": action, **drawn}
        arrays = self._step.run({name: np.ascontiguousarray(array) for name, array in feed.items()})
        return _with_prefix(arrays, NEXT), _with_prefix(arrays, OUTPUT)


def _with_prefix(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays whose name starts with `prefix`, by the rest of the name."""
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}


def _stack_steps(steps: list[Arrays], name: str) -> NDArray[Any]:
    """The array `name` (N, ...) of H steps, stacked to (N, H, ...)."""
    return np.stack([step[name] for step in steps], axis=1)
