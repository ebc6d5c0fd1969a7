"""Inputs of the graphs of a bundle: observations, latents and actions, checked against the card."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import problem_in
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.task import Goal
from wm_planner.errors import ConfigError, ShapeError
from wm_planner.world_models.onnx.camera_images import check_image, fitted
from wm_planner.world_models.onnx.signature import FRESH, GOAL, LAST_ACTION, MEMORY, NOISE

Arrays = dict[str, NDArray[Any]]


def observation_feed(card: Card, observation: Observation) -> Arrays:
    """The inputs of `encode.onnx`, arrays (1, ...); states that a `Goal` does not tell are zeros.

    Raises:
        ShapeError: for a missing camera or state, an image whose shape disagrees with the card, or a state
            that is not finite or outside of its bounds.
    """
    check_observation(card, observation)
    feed: Arrays = {f"image.{name}": _image(card, observation, name) for name in card.observation.cameras}
    if card.observation.state:
        feed["state"] = _state(card, observation)
    return feed


def check_observation(card: Card, observation: Observation) -> None:
    """Check that an observation holds what a model reads, as its card says; it may hold more.

    Raises:
        ShapeError: naming the camera or the state, see `observation_feed`.
    """
    if not isinstance(observation, Observation):
        raise ShapeError(
            f"got {type(observation).__name__}, wanted an Observation: "
            "wm.Observation(images={camera: image}, state={...})"
        )
    for camera in card.observation.cameras:
        if camera not in observation.images:
            raise ShapeError(
                f"no image of camera '{camera}' (got {', '.join(sorted(observation.images)) or 'none'}), the "
                f"card of {card.name} says cameras {', '.join(card.observation.cameras)}: pass all of them"
            )
        where = f"{card.name}: the image of camera '{camera}' is"
        check_image(card.observation, np.asarray(observation.images[camera]), where)
    for quantity in card.observation.state:
        if quantity.name in observation.state:
            if problem := problem_in(quantity, np.asarray(observation.state[quantity.name])):
                raise ShapeError(f"{card.name}: the state {problem}")
        elif not isinstance(observation, Goal):
            raise ShapeError(
                f"no state '{quantity.name}' (got {', '.join(sorted(observation.state)) or 'none'}), which "
                f"{card.name} reads ({quantity.size} in {quantity.unit or 'no unit'}): pass it as "
                f"state={{'{quantity.name}': ...}}; what shows a goal and tells no more is a wm.Goal"
            )


def memory_feed(card: Card, last_action: Array | None, memory: Latent | None) -> Arrays:
    """The inputs of `encode.onnx` that carry over from the previous tick; none if the card has no memory.

    Args:
        card: of the model.
        last_action: (A,); None, which counts as zeros, only after a reset.
        memory: the latent of the previous tick; None after a reset.

    Raises:
        ShapeError: for memory or an action that the model does not take, or that disagrees with the card.
    """
    given = [name for name, value in (("memory", memory), (LAST_ACTION, last_action)) if value is not None]
    if not card.remembers:
        if given:
            raise ShapeError(
                f"encode was given {' and '.join(given)}, which {card.name} does not take (card: remembers): "
                "pass the observation alone"
            )
        return {}
    if memory is not None and last_action is None:
        raise ShapeError(
            f"encode was given memory without last_action, which {card.name} needs to carry it on: pass the "
            "action executed since, or neither of them after a reset"
        )
    size = len(card.action.names)
    action = np.asarray(np.zeros(size) if last_action is None else last_action, np.float32)
    if action.shape != (size,) or not np.isfinite(action).all():
        raise ShapeError(
            f"last_action is {action.tolist()}, the card of {card.name} says {size} finite values: "
            f"{', '.join(card.action.names)}"
        )
    feed: Arrays = {LAST_ACTION: action[None], FRESH: np.full(1, memory is None, np.float32)}
    for spec in card.encoded:
        shape = (1, *spec.shape)
        array = np.zeros(shape) if memory is None else memory.get(spec.name)
        if array is None or tuple(array.shape) != shape:
            got = "is missing" if array is None else f"has shape {tuple(array.shape)}"
            raise ShapeError(
                f"memory {spec.name} {got}, the card of {card.name} says {shape}: is it the latent of "
                "another model?"
            )
        feed[MEMORY + spec.name] = np.asarray(array, spec.dtype)
    return feed


def noise_feed(
    card: Card,
    graph: Literal["encode", "step"],
    noise: Mapping[str, Array] | None,
    count: int,
    horizon: int | None = None,
) -> Arrays:
    """The noise inputs of a graph, calm where the caller gives none.

    Args:
        card: of the model.
        graph: the graph that takes them.
        noise: arrays (1, ...) for all candidates or (N, ...), of a rollout (1, H, ...) or (N, H, ...).
        count: N.
        horizon: H of a rollout; None for a single step.

    Raises:
        ShapeError: for noise that the graph does not take, or of a shape that disagrees with the card.
    """
    specs = {spec.name: spec for spec in card.noise if spec.graph == graph}
    steps = () if horizon is None else (horizon,)
    given = noise or {}
    if unknown := sorted(given.keys() - specs.keys()):
        raise ShapeError(
            f"the {graph} graph of {card.name} takes no noise {', '.join(unknown)} (card: noise: "
            f"{', '.join(specs) or 'none'})"
        )
    feed: Arrays = {}
    for spec in specs.values():
        shape = (*steps, *spec.shape)
        array = given.get(spec.name)
        values = (
            np.full((1, *shape), spec.calm, np.float32) if array is None else np.asarray(array, np.float32)
        )
        if values.shape[1:] != shape or len(values) not in (1, count):
            wanted = ", ".join(map(str, shape))
            raise ShapeError(
                f"noise {spec.name} has shape {values.shape}, the card of {card.name} says ({count}, "
                f"{wanted}) or (1, {wanted})"
            )
        feed[NOISE + spec.name] = values
    return feed


def latent_feed(card: Card, latent: Latent, batch: int | None = None) -> Arrays:
    """The arrays of a latent that the card lists, (N, ...).

    Args:
        card: of the model.
        latent: missing caches are filled with zeros.
        batch: N that all arrays must have; None for any.

    Raises:
        ShapeError: if another array is missing, or a shape disagrees with the card.
    """
    if not isinstance(latent, Mapping):
        raise ShapeError(
            f"a latent is {type(latent).__name__}, wanted a mapping of names to arrays "
            f"({', '.join(spec.name for spec in card.latents)}): pass what `encode` returned"
        )
    caches = [spec for spec in card.latents if spec.role == "cache" and spec.name not in latent]
    if caches and latent:
        size = batch or len(next(iter(latent.values())))
        empty = {spec.name: np.zeros((size, *spec.shape), spec.dtype) for spec in caches}
        latent = {**latent, **empty}
    for spec in card.latents:
        shape = tuple(latent[spec.name].shape) if spec.name in latent else None
        if shape is None or shape[1:] != spec.shape or batch not in (None, shape[0]):
            got = "is missing" if shape is None else f"has shape {shape}"
            wanted = ", ".join(map(str, (batch or "N", *spec.shape)))
            raise ShapeError(
                f"latent {spec.name} {got}, the card of {card.name} says ({wanted}): "
                "does the encoder belong to another model? (perception: params.world_model)"
            )
    return {spec.name: np.asarray(latent[spec.name], spec.dtype) for spec in card.latents}


def policy_feed(card: Card, latent: Latent, goal_latent: Latent | None) -> Arrays:
    """The inputs that `act.onnx` may have: the latent (N, ...), and the goal's (1, ...) if it takes one.

    Raises:
        ConfigError: if the goal is missing.
        ShapeError: if an array is missing, or a shape disagrees with the card.
    """
    feed = latent_feed(card, latent)
    if card.policy is None or not card.policy.goal:
        return feed
    if goal_latent is None:
        raise ConfigError(
            f"the policy of {card.name} acts towards a goal (card: policy.goal), and there is no goal "
            "latent: give a goal image"
        )
    goal = latent_feed(card, goal_latent, batch=1)
    return feed | {GOAL + name: array for name, array in goal.items()}


def initial_latent(card: Card, latent: Latent, count: int) -> Arrays:
    """The arrays of the latent from which `count` candidates start, as they are.

    Args:
        card: of the model.
        latent: arrays (1, ...) for all candidates, or (count, ...) for one per candidate.
        count: N, number of candidates.

    Raises:
        ShapeError: if an array is missing, or a shape disagrees with the card.
    """
    sizes = {len(latent[spec.name]) for spec in card.latents if spec.role != "shared" and spec.name in latent}
    return latent_feed(card, latent, batch=1 if sizes != {count} else None)


def repeated_latent(card: Card, latent: Latent, count: int) -> Arrays:
    """The arrays of `initial_latent`, repeated to one per candidate, (count, ...), except for shared ones."""
    arrays = initial_latent(card, latent, count)
    for spec in card.latents:
        if spec.role != "shared" and len(arrays[spec.name]) != count:
            arrays[spec.name] = np.repeat(arrays[spec.name], count, axis=0)  # (N, ...)
    return arrays


def checked_actions(card: Card, actions: Array, axes: str) -> NDArray[np.float32]:
    """`actions` as float32.

    Args:
        card: of the model; its action has A components.
        actions: (N, A) or (N, H, A), in the card's units.
        axes: letters of the axes before the last, "N" or "NH".

    Raises:
        ShapeError: for other shapes, or a longer horizon than the model's memory.
    """
    names = card.action.names
    checked = np.asarray(actions, np.float32)
    if checked.ndim != len(axes) + 1 or checked.shape[-1] != len(names):
        raise ShapeError(
            f"actions have shape {checked.shape}, the card of {card.name} says "
            f"({', '.join(axes)}, {len(names)}): {', '.join(names)}"
        )
    horizon, limit = checked.shape[-2], card.max_horizon
    if axes == "NH" and limit and horizon > limit:
        raise ShapeError(
            f"actions have shape {checked.shape}, {horizon} steps, but {card.name} remembers {limit} "
            "(card: max_horizon): lower the planner's horizon"
        )
    return checked


def _image(card: Card, observation: Observation, camera: str) -> NDArray[Any]:
    return fitted(card.observation, np.asarray(observation.images[camera]))[None]


def _state(card: Card, observation: Observation) -> NDArray[np.float32]:
    parts = [observation.state.get(each.name, np.zeros(each.size)) for each in card.observation.state]
    return np.concatenate(parts).astype(np.float32)[None]
