"""Whether the graphs of a bundle are functions: the same answer twice, and alone as among other candidates.

A graph that was quantised dynamically scales its activations by the largest of the whole batch, and one may
take means over the batch or draw random numbers. The cost of a candidate would then depend on its neighbours.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec, Card, LatentSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import width
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.contracts.world_model import WorldModel, policy_of
from wm_planner.errors import BundleError
from wm_planner.world_models.example_inputs import example_actions, example_state
from wm_planner.world_models.onnx.camera_images import noise_image

TOLERANCE = 0.01
"""Largest difference between a candidate alone and among others, relative to arrays whose size is above 1:
rounding explains 1e-6 in float32 and 1e-3 in float16.
"""

SAME = 1e-5
"""Largest difference between two equal calls: on a GPU, sums may be taken in another order."""

LOUD = 100.0
"""Factor of the last candidate's latent, on which a scale that is common to the batch depends."""

_COUNT = 3


class StepByStep(WorldModel, Protocol):
    """A world model with two ways to imagine."""

    def step_by_step(self, latent: Latent, actions: NDArray[np.float32]) -> Rollout:
        """The same as `rollout`, with one call per step."""
        ...


def check_repeatable(where: str, model: WorldModel) -> None:
    """Check the graphs on a noise picture.

    Args:
        where: the card, for errors.
        model: of the bundle.

    Raises:
        BundleError: naming the graph and the output that differs.
    """
    rng = np.random.default_rng(0)
    observation = _noise_picture(model.card, rng)
    latent = model.encode(observation)
    _check_equal(f"{where}: encode.onnx", latent, model.encode(observation))
    start = _different_latents(model.card, latent, rng)
    actions = example_actions(model.card.action, (_COUNT,), rng)
    _check_alone(f"{where}: step.onnx", model.card, start, lambda own, at: _all_of(model, own, actions[at]))
    if policy := policy_of(model):
        act, scale = policy.act, _scale(model.card.action)
        _check_alone(
            f"{where}: act.onnx", model.card, start, lambda own, at: {"action": act(own, latent) / scale}
        )


def _check_alone(
    where: str, card: Card, start: Latent, answer: Callable[[Latent, slice], Mapping[str, NDArray[Any]]]
) -> None:
    """Check that a graph answers the same twice, and for each candidate alone as for all.

    Args:
        where: the card and the graph, for errors.
        card: of the bundle.
        start: latents of `_COUNT` candidates.
        answer: what the graph returns for the latents of the candidates in a slice.
    """
    everything = slice(0, _COUNT)
    together, again = (answer(start, everything) for _ in range(2))
    _check_equal(where, together, again)
    for index in range(_COUNT - 1):
        at = slice(index, index + 1)
        own = {
            spec.name: start[spec.name] if spec.role == "shared" else start[spec.name][at]
            for spec in card.latents
        }
        for name, array in answer(own, at).items():
            difference = _difference(array[0], together[name][index])
            if not difference <= TOLERANCE:
                raise BundleError(
                    f"{where}: {name} of a candidate differs by {difference:.1%} between "
                    f"alone and among {_COUNT}, so it would depend on its neighbours: export "
                    "without dynamic quantisation and without means or norms over the batch axis"
                )


def same_rollouts(model: StepByStep) -> bool:
    """Whether the rollout in one call equals the one step by step, on a noise picture."""
    rng = np.random.default_rng(0)
    latent = model.encode(_noise_picture(model.card, rng))
    horizon = min(2, model.card.max_horizon or 2)
    actions = example_actions(model.card.action, (2, horizon), rng)
    once, stepped = model.rollout(latent, actions), model.step_by_step(latent, actions)
    pairs = [
        (array, getattr(stepped, kind)[name])
        for kind in ("latents", "outputs")
        for name, array in getattr(once, kind).items()
    ]
    return all(_difference(array, other) <= TOLERANCE for array, other in pairs)


def check_parity(where: str, device: str, model: WorldModel, on_cpu: WorldModel) -> None:
    """Check that a device computes what the CPU computes, on a noise picture and one candidate.

    Args:
        where: the card, for errors.
        device: its name, for errors.
        model: of the bundle, on the device.
        on_cpu: the same bundle on the CPU.

    Raises:
        BundleError: naming the graph and the output that differs.
    """
    rng = np.random.default_rng(0)
    observation = _noise_picture(on_cpu.card, rng)
    latent = on_cpu.encode(observation)
    action = example_actions(on_cpu.card.action, (1,), rng)
    compared = {
        "encode.onnx": (model.encode(observation), latent),
        "step.onnx": tuple(_all_of(each, latent, action) for each in (model, on_cpu)),
    }
    for graph, (found, wanted) in compared.items():
        for name, array in wanted.items():
            if not (difference := _difference(array, np.asarray(found[name]))) <= TOLERANCE:
                raise BundleError(
                    f"{where}: {graph}: {name} differs by {difference:.1%} between {device} and the CPU, at "
                    f"most {TOLERANCE:.0%} is allowed: update ONNX Runtime and the driver, export with "
                    "`--precision fp32`, or set `device: cpu`"
                )


def _scale(action: ActionSpec) -> NDArray[np.float64]:
    """Width of the bounds of each component; 1 without bounds, and of choices."""
    return np.ones(1) if action.choices else width(np.array(action.low), np.array(action.high))


def _all_of(model: WorldModel, latent: Latent, actions: NDArray[np.float32]) -> dict[str, Any]:
    stepped, outputs = model.step(latent, actions)
    return {**stepped, **{f"output.{name}": array for name, array in outputs.items()}}


def _check_equal(where: str, first: Latent, second: Latent) -> None:
    for name, array in first.items():
        if not _difference(array, second[name]) <= SAME:
            raise BundleError(
                f"{where} returns another {name} for the same inputs: pass its random numbers in as noise "
                "(card: noise), and export it in evaluation mode"
            )


def _difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Largest difference relative to arrays of sizes above 1, or the share of whole numbers that differ."""
    if one.dtype.kind != "f":
        return float(np.mean(one != other))
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    if same.all():
        return 0.0
    size = max(1.0, float(np.abs(one).max()))
    return float(np.abs(np.where(same, 0.0, one - other)).max() / size)


def _noise_picture(card: Card, rng: np.random.Generator) -> Observation:
    spec = card.observation
    images = {camera: noise_image(spec, rng) for camera in spec.cameras}
    return Observation(images, {each.name: example_state(each, rng) for each in spec.state})


def _different_latents(card: Card, latent: Latent, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Three latents: that of a picture, one near it, and a loud one."""

    def rows(spec: LatentSpec) -> NDArray[Any]:
        if spec.role == "cache":
            return np.zeros((_COUNT, *spec.shape), spec.dtype)
        array = np.asarray(latent[spec.name])
        if spec.role == "shared" or array.dtype.kind != "f":
            return array if spec.role == "shared" else np.repeat(array, _COUNT, axis=0)
        near = array + rng.standard_normal(array.shape).astype(array.dtype)
        return np.concatenate([array, near, LOUD * near], dtype=array.dtype)

    return {spec.name: rows(spec) for spec in card.latents}
